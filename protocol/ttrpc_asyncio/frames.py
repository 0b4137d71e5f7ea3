"""Frames: how messages are cut out of the byte stream.

    offset  size  field
    0       4     payload length, big-endian; the header is not counted
    4       4     stream id, big-endian; odd, chosen by the client, never used again on the connection
    8       1     message type: 1 request, 2 response, 3 data (streaming calls only)
    9       1     flags: 0x01 remote closed, 0x02 remote open, 0x04 no data; 0 for unary calls
    10            payload

A payload has at most 4 MiB. A longer one is not an end of the connection: its body is skipped as it comes, without
being kept, and then reported as a frame with `oversize` set.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

HEADER_SIZE: Final = 10
MAX_MESSAGE: Final = 4 << 20
"""The longest payload of a frame in bytes, 4 MiB."""

REQUEST: Final = 1
RESPONSE: Final = 2
DATA: Final = 3

_HEADER: Final = struct.Struct(">IIBB")


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame."""

    stream_id: int
    kind: int
    """The message type, any byte: what to do with an unknown one is the reader's decision."""
    flags: int
    payload: bytes
    oversize: int = 0
    """The length in the header when that is over the limit; the payload was skipped then. Otherwise 0."""


def encode_frame(stream_id: int, kind: int, payload: bytes) -> bytes:
    """Put the header before a payload whose length the caller has checked."""
    return _HEADER.pack(len(payload), stream_id, kind, 0) + payload


def oversize_text(length: int, limit: int) -> str:
    """Return the text that the Rust crate has for a message over the limit."""
    return f"message length {length} exceed maximum message size of {limit}"


class FrameDecoder:
    """Cuts frames out of chunks of any size. Any bytes are a stream of frames; at most one incomplete one is kept."""

    __slots__ = ("_buffer", "_limit", "_position", "_skipped", "_to_skip")

    def __init__(self, limit: int = MAX_MESSAGE) -> None:
        self._limit = limit
        self._buffer: bytes | bytearray = b""
        self._position = 0
        self._skipped: Frame | None = None
        self._to_skip = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the stream. Call `next_frame` until it returns None before feeding again."""
        if self._position == len(self._buffer):
            self._buffer = chunk
        elif isinstance(self._buffer, bytearray):
            del self._buffer[: self._position]
            self._buffer += chunk
        else:
            rest = bytearray(memoryview(self._buffer)[self._position :])
            rest += chunk
            self._buffer = rest
        self._position = 0

    @property
    def kept(self) -> int:
        """How many bytes wait for the rest of their frame, or for being taken."""
        return len(self._buffer) - self._position

    @property
    def in_a_frame(self) -> bool:
        """Whether the stream, as far as it was fed, ends inside a frame. To be asked when `next_frame` gave None."""
        return self._to_skip > 0 or self._position < len(self._buffer)

    def next_frame(self) -> Frame | None:
        """Return the next frame that is complete, or None."""
        if self._skipped is not None:
            return self._skip(self._skipped)
        buffer, start = self._buffer, self._position + HEADER_SIZE
        if start > len(buffer):
            return None
        length, stream_id, kind, flags = _HEADER.unpack_from(buffer, self._position)
        if length > self._limit:
            self._position = start
            self._to_skip = length
            self._skipped = Frame(stream_id, kind, flags, b"", oversize=length)
            return self._skip(self._skipped)
        end = start + length
        if end > len(buffer):
            return None
        self._position = end
        return Frame(stream_id, kind, flags, bytes(buffer[start:end]))

    def _skip(self, frame: Frame) -> Frame | None:
        taken = min(self._to_skip, len(self._buffer) - self._position)
        self._position += taken
        self._to_skip -= taken
        if self._to_skip:
            return None
        self._skipped = None
        return frame
