"""HTTP/2 written by hand (RFC 9113, header fields as literals of RFC 7541), for peers that break its rules."""

from __future__ import annotations

import struct
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS = 1, 4


def frame(kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def field(name: str, value: str) -> bytes:
    """A header field, never indexed."""
    assert len(name) < 127
    assert len(value) < 127
    return b"\x10" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def call_fields(path: str, *, method: str = "POST", encoding: str | None = None) -> bytes:
    """The head of a call."""
    fields = {
        ":method": method,
        ":scheme": "http",
        ":path": path,
        ":authority": "localhost",
        "te": "trailers",
        "content-type": "application/grpc",
    }
    if encoding is not None:
        fields["grpc-encoding"] = encoding
    return b"".join(field(name, value) for name, value in fields.items())


def message(data: bytes, *, compressed: bool = False) -> bytes:
    """A message as it stands in DATA frames: a flag, the length, the octets."""
    return bytes([compressed]) + struct.pack(">I", len(data)) + data


def hello() -> bytes:
    """What a client begins with."""
    return PREFACE + frame(SETTINGS)


def frames(data: bytes) -> list[tuple[int, int, int, bytes]]:
    """Whole frames: kind, flags, stream, payload."""
    found = []
    while len(data) >= 9:
        length = int.from_bytes(data[:3])
        if len(data) < 9 + length:
            break
        found.append((data[3], data[4], int.from_bytes(data[5:9]), data[9 : 9 + length]))
        data = data[9 + length :]
    return found
