"""Requests to `restful-as`, of both generations: parsed, or refused with RequestError."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attestation_service.binding import binding_of
from attestation_service.errors import RequestError
from attestation_service.rest_requests import parse_attestation, parse_challenge, parse_policy

from tests.conformance.recordings import http_recordings

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_LEN = 16_384


def target(data: bytes) -> None:
    for parse in (parse_policy, parse_challenge):
        try:
            parse(data)
        except RequestError:
            continue
    try:
        requests, _ = parse_attestation(data)
        for request in requests:
            binding_of(request)
    except RequestError:
        return


def seeds() -> Iterable[bytes]:
    for recording in http_recordings("as"):
        for step in recording.steps:
            if 0 < len(step.request.body) <= MAX_LEN:
                yield step.request.body


TARGET = target
SEEDS = seeds
