"""The protobuf wire format, as far as a ttRPC envelope needs it.

A message is a sequence of fields, each a tag (field number << 3 | wire type, a varint of at most 32 bits) and a value.
Fields that a reader does not know are skipped; of a scalar that comes twice the last one counts. Groups, which proto3
does not have, are refused.

The texts of refusals are those of the Rust crate, since they travel in statuses.
"""

from __future__ import annotations

from typing import Final

from ttrpc_asyncio.errors import EnvelopeError

MAX_FIELDS: Final = 1024
"""How many fields a message may have. Without a bound, 4 MiB of two-byte fields hold up the event loop for a second."""

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
FIXED32: Final = 5

_FIXED_SIZES: Final = {FIXED64: 8, FIXED32: 4}
_GROUPS: Final = frozenset({3, 4})
_ONE_BYTE: Final = tuple(bytes([number]) for number in range(0x80))


def encode_varint(value: int) -> bytes:
    """Encode a number from 0 to 2**64 - 1, seven bits to a byte, the lowest first."""
    if value < len(_ONE_BYTE):
        return _ONE_BYTE[value]
    encoded = bytearray()
    while value >= len(_ONE_BYTE):
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def encode_bytes(tag: int, value: bytes) -> bytes:
    """Encode a length-delimited field with a one-byte tag. An empty value is left out, as proto3 does."""
    return b"".join((_ONE_BYTE[tag], encode_varint(len(value)), value)) if value else b""


def encode_text(tag: int, value: str) -> bytes:
    """Encode a string field; what UTF-8 cannot say (half of a surrogate pair) becomes a question mark."""
    return encode_bytes(tag, value.encode(errors="replace"))


def read_varint(data: bytes, position: int, bits: int = 64) -> tuple[int, int]:
    """Read a number of at most `bits` bits (32 or 64); return it and the position behind it. Raises EnvelopeError."""
    value = shift = 0
    for byte in data[position : position + 10]:
        position += 1
        if shift + 7 > bits and byte >> (bits - shift):
            raise EnvelopeError("Incorrect varint")
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, position
        shift += 7
    raise EnvelopeError("Unexpected EOF")


def read_fields(data: bytes) -> list[tuple[int, int | bytes]]:
    """Return tag and value of each varint field and each length-delimited field, in order. Raises EnvelopeError."""
    fields: list[tuple[int, int | bytes]] = []
    position, end, seen = 0, len(data), 0
    while position < end:
        seen += 1
        if seen > MAX_FIELDS:
            raise EnvelopeError(f"more than {MAX_FIELDS} fields", code="TTRPC-ENVELOPE-FIELDS")
        tag, position = read_varint(data, position, 32)
        wire_type = tag & 7
        if wire_type == BYTES and tag > BYTES:
            length, start = read_varint(data, position, 32)
            position = start + length
            fields.append((tag, data[start:position]))
        elif wire_type == VARINT and tag > VARINT:
            number, position = read_varint(data, position)
            fields.append((tag, number))
        else:
            position += _fixed_size(tag)
        if position > end:
            raise EnvelopeError("Unexpected EOF")
    return fields


def read_text(value: bytes) -> str:
    """Decode a string field. Raises EnvelopeError."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise EnvelopeError("Invalid UTF-8 sequence") from None


def _fixed_size(tag: int) -> int:
    number, wire_type = tag >> 3, tag & 7
    if number and wire_type in _GROUPS:
        raise EnvelopeError("Unexpected wire type")
    if not number or wire_type not in _FIXED_SIZES:
        raise EnvelopeError("Incorrect tag")
    return _FIXED_SIZES[wire_type]
