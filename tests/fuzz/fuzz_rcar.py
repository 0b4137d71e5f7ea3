"""RCAR messages: parsed and written again without loss, or refused with MessageError."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attestation_protocol.errors import ErrorInformation, MessageError
from attestation_protocol.rcar import Attestation, Challenge, Request, Response

from tests.conformance.recordings import http_recordings

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_LEN = 16_384


def target(data: bytes) -> None:
    for kind in (Request, Challenge, Response, ErrorInformation):
        try:
            message = kind.parse(data)
        except MessageError:
            continue
        assert kind.parse(message.to_json()) == message
    try:
        attestation = Attestation.parse(data)
    except MessageError:
        return
    assert Attestation.parse(attestation.to_json()) == attestation
    try:
        attestation.device_evidence()
    except MessageError:
        return


def seeds() -> Iterable[bytes]:
    for recording in http_recordings("stock"):
        for step in recording.steps:
            yield from (body for body in (step.request.body, step.response.body) if body)


TARGET = target
SEEDS = seeds
