"""A ttRPC client for the guest's sockets, from the published facts alone: standard library only, nothing of ours.

Frame: length u32, stream u32, type u8 (1 request, 2 response), flags u8, big-endian, then the payload. Request: 1
service, 2 method, 3 payload, 4 timeout in nanoseconds. Response: 1 status {1 code, 2 message}, 2 payload. Protobuf by
hand.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

HEADER = struct.Struct(">IIBB")


@dataclass(frozen=True)
class Answer:
    code: int
    message: str
    payload: bytes


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def text(number: int, value: bytes) -> bytes:
    """A length-delimited field; empty ones are left out, as proto3 does."""
    return varint(number << 3 | 2) + varint(len(value)) + value if value else b""


def fields(data: bytes) -> dict[int, list[int | bytes]]:
    """Read a message: field number to its values."""
    found: dict[int, list[int | bytes]] = {}
    position = 0

    def number() -> int:
        nonlocal position
        value = shift = 0
        while True:
            byte = data[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while position < len(data):
        key = number()
        if key & 7 == 0:
            found.setdefault(key >> 3, []).append(number())
        else:
            length = number()
            found.setdefault(key >> 3, []).append(data[position : position + length])
            position += length
    return found


def first(message: dict[int, list[int | bytes]], number: int) -> bytes:
    value = message.get(number, [b""])[0]
    assert isinstance(value, bytes)
    return value


class TtrpcClient:
    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(60)
        self._socket.connect(path)
        self._stream = -1

    def call(self, service: str, method: str, payload: bytes = b"", seconds: int = 50) -> Answer:
        self._stream += 2
        timeout = varint(4 << 3) + varint(seconds * 1_000_000_000)
        request = text(1, service.encode()) + text(2, method.encode()) + text(3, payload) + timeout
        self._socket.sendall(HEADER.pack(len(request), self._stream, 1, 0) + request)
        length, stream, kind, _ = HEADER.unpack(self._read(HEADER.size))
        assert (stream, kind) == (self._stream, 2)
        response = fields(self._read(length))
        status = fields(first(response, 1))
        code = status.get(1, [0])[0]
        assert isinstance(code, int)
        return Answer(code, first(status, 2).decode(), first(response, 2))

    def close(self) -> None:
        self._socket.close()

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            chunk = self._socket.recv(size - len(data))
            assert chunk, "the server closed the connection"
            data += chunk
        return data
