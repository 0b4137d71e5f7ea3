"""Tokens as a guest takes them apart, and their submodules: read, or refused with TokenFormatError."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attestation_protocol.errors import TokenFormatError
from attestation_protocol.token import UnverifiedToken

from tests.conformance.recordings import http_recordings

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_LEN = 8_192


def target(data: bytes) -> None:
    try:
        token = UnverifiedToken.parse(data.decode("utf-8", "replace"))
    except TokenFormatError:
        return
    for date in (token.expires, token.not_before):
        assert date is None or isinstance(date, float)


def seeds() -> Iterable[bytes]:
    for recording in http_recordings("kbs"):
        for step in recording.steps:
            if step.response.body.startswith(b'{"token"'):
                yield step.response.json["token"].encode()


TARGET = target
SEEDS = seeds
