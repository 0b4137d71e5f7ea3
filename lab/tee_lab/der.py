"""DER, written by hand: what the lab's certificates are made of. It writes nonsense, too, when told to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

BOOLEAN_TRUE = bytes.fromhex("0101ff")


def tlv(tag: int, content: bytes) -> bytes:
    """Encode tag, length and content."""
    size = len(content)
    if size < 0x80:  # noqa: PLR2004  # X.690 8.1.3.4: the short form
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def sequence(*parts: bytes) -> bytes:
    """Encode a SEQUENCE."""
    return tlv(0x30, b"".join(parts))


def set_of(*parts: bytes) -> bytes:
    """Encode a SET, in the order given."""
    return tlv(0x31, b"".join(parts))


def integer(value: int) -> bytes:
    """Encode an INTEGER, in as few bytes as it takes."""
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def bit_string(content: bytes) -> bytes:
    """Encode a BIT STRING of whole bytes."""
    return tlv(0x03, b"\0" + content)


def octet_string(content: bytes) -> bytes:
    """Encode an OCTET STRING."""
    return tlv(0x04, content)


def object_identifier(dotted: str) -> bytes:
    """Encode an OBJECT IDENTIFIER."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    content = bytearray()
    for arc in (40 * first + second, *rest):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | arc & 0x7F)
        content += bytes(reversed(groups))
    return tlv(0x06, bytes(content))


def utf8_string(text: str) -> bytes:
    """Encode a UTF8String."""
    return tlv(0x0C, text.encode())


def ia5_string(text: str) -> bytes:
    """Encode an IA5String."""
    return tlv(0x16, text.encode())


def generalized_time(moment: datetime) -> bytes:
    """Encode a GeneralizedTime, UTC."""
    return tlv(0x18, moment.strftime("%Y%m%d%H%M%SZ").encode())


def utc_time(moment: datetime) -> bytes:
    """Encode a UTCTime."""
    return tlv(0x17, moment.strftime("%y%m%d%H%M%SZ").encode())


def explicit(number: int, content: bytes) -> bytes:
    """Encode an explicitly tagged value, context class."""
    return tlv(0xA0 | number, content)
