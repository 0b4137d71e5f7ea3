"""ttRPC: any bytes are a stream of frames; an envelope is decoded, or refused with EnvelopeError."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from ttrpc_asyncio import envelope
from ttrpc_asyncio.errors import EnvelopeError, StatusError
from ttrpc_asyncio.frames import HEADER_SIZE, FrameDecoder, encode_frame

from tests.conformance.recordings import stream, ttrpc_recording

if TYPE_CHECKING:
    from collections.abc import Iterable

CHUNK = 7


def frames(data: bytes, chunk: int) -> list[tuple[int, int, bytes, int]]:
    decoder = FrameDecoder(limit=1_024)
    found = []
    for start in range(0, len(data), chunk):
        decoder.feed(data[start : start + chunk])
        while (frame := decoder.next_frame()) is not None:
            found.append((frame.stream_id, frame.kind, frame.payload, frame.oversize))
    return found


def target(data: bytes) -> None:
    whole = frames(data, len(data) or 1)
    assert whole == frames(data, CHUNK), "where the stream is cut changes what it says"
    for payload in [data, *(payload for _, _, payload, _ in whole)]:
        with contextlib.suppress(EnvelopeError):
            request = envelope.decode_request(payload)
            assert envelope.decode_request(envelope.encode_request(request)) == request
        with contextlib.suppress(EnvelopeError, StatusError):
            answer = envelope.decode_response(payload)
            assert envelope.decode_response(envelope.encode_response(answer)) == answer


def seeds() -> Iterable[bytes]:
    yield from (chunk.data for chunk in stream("stock/rest-to-hub-ttrpc"))
    for framed in ttrpc_recording("guest/aa-rpcs"):
        yield framed.request_frame[HEADER_SIZE:]
        yield (framed.response_frame or b"")[HEADER_SIZE:]
    yield encode_frame(1, 2, b"x") + encode_frame(3, 9, b"")
    yield b"\x00\x40\x00\x01" + bytes(32)


TARGET = target
SEEDS = seeds
