"""Which of the two forms of `attestation.AttestationRequest` a message is. Pure.

The method and the message have one name in both generations; their fields differ (`attestation.proto`,
`older_attestation.proto`). Field 1 tells them apart, where it stands:

    composite   a message: its first octet is the tag of one of its fields, 0x0a to 0x42
    older       the name of a TEE: its first octet is a lower-case letter, 0x61 and above
    before      a varint: releases before May 2024 numbered the TEEs

A field 1 that is empty tells nothing, and the next one is looked at. A message without one is composite: it has no
evidence. Only tags and lengths are read here; a message that breaks their rules is left to its parser.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

_VARINT: Final = 0
_FIXED64: Final = 1
_BYTES: Final = 2
_FIXED32: Final = 5
_MAX_VARINT: Final = 10
"""Octets of a varint at the most."""
_FIRST_LETTER: Final = 0x61


class Generation(Enum):
    """The forms of a request."""

    COMPOSITE = auto()
    OLDER = auto()
    NUMBERED = auto()


def generation_of(message: bytes) -> Generation:
    """Say which form a message has. Reads any bytes."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        field, kind = tag >> 3, tag & 7
        if field == 1 and kind == _VARINT:
            return Generation.NUMBERED
        if kind == _VARINT:
            _, position = _varint(message, position)
        elif kind == _FIXED64:
            position += 8
        elif kind == _FIXED32:
            position += 4
        elif kind == _BYTES:
            length, position = _varint(message, position)
            if field == 1 and length and position < len(message):
                return Generation.OLDER if message[position] >= _FIRST_LETTER else Generation.COMPOSITE
            position += length
        else:
            break
    return Generation.COMPOSITE


def _varint(message: bytes, position: int) -> tuple[int, int]:
    """Read a varint; return it and the position behind it, which is the end where it does not end itself."""
    value = 0
    for shift, octet in enumerate(message[position : position + _MAX_VARINT]):
        value |= (octet & 0x7F) << (7 * shift)
        if octet < 0x80:  # noqa: PLR2004  # the bit that says that more follows
            return value, position + shift + 1
    return value, len(message)
