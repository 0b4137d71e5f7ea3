"""ttRPC from outside: a byte stream cut into frames, envelopes inside them, and a connection of a server that gets it.

Whatever comes, the server answers each request frame that is complete and nothing else, with whole frames of answers
that our client's reader takes.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
from typing import TYPE_CHECKING, Any, Final

from ttrpc_asyncio import EnvelopeError, StatusError
from ttrpc_asyncio.connection import ServerConnection, ServerState
from ttrpc_asyncio.envelope import decode_request, decode_response, encode_request
from ttrpc_asyncio.frames import REQUEST, RESPONSE, Frame, FrameDecoder

from tests.conformance.recordings import stream, ttrpc_recording

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ttrpc_asyncio import CallContext

LIMIT: Final = 2048
_CHUNK: Final = 61
"""A prime, so that chunks end in all parts of headers and bodies."""


class Transport:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.closing = False

    def get_extra_info(self, name: str) -> Any:
        return self if name == "socket" else ("peer", 0)

    family: Final = 0

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None:
        """The bytes were handed over in one go."""

    def resume_reading(self) -> None:
        """The same."""


async def echo(payload: bytes, _context: CallContext) -> bytes:
    return payload


def frames_of(data: bytes) -> list[Frame]:
    """Cut in chunks, which must give what cutting in one go gives."""
    whole, pieces = FrameDecoder(LIMIT), FrameDecoder(LIMIT)
    whole.feed(data)
    frames = list(iter(whole.next_frame, None))
    cut: list[Frame] = []
    for start in range(0, len(data), _CHUNK):
        pieces.feed(data[start : start + _CHUNK])
        cut += iter(pieces.next_frame, None)
    assert cut == frames
    return frames


def read_both_ways(data: bytes) -> None:
    """Read the bytes as the envelope of a call and of an answer."""
    try:
        request = decode_request(data)
    except EnvelopeError:
        pass
    else:
        assert decode_request(encode_request(request)) == request
    with contextlib.suppress(EnvelopeError, StatusError):
        decode_response(data)


async def serve(data: bytes) -> bytes:
    """Hand the bytes to a connection; return what it writes."""
    services = {"": {"": echo}, "attestation_agent.AttestationAgentService": {"GetTeeType": echo}}
    state = ServerState(services, LIMIT, 1, 8, 1.0, None)
    connection = ServerConnection(state)
    transport: Any = Transport()
    connection.connection_made(transport)
    connection.data_received(data)
    while connection.tasks or connection._turn_is_due:  # noqa: ASYNC110  # turns of the loop are what is waited for
        await asyncio.sleep(0)
    connection.connection_lost(None)
    assert not state.connections
    return bytes(transport.written)


def target(data: bytes) -> None:
    read_both_ways(data)
    requests = [frame for frame in frames_of(data) if frame.kind == REQUEST]
    for frame in requests:
        read_both_ways(frame.payload)
    answers = FrameDecoder()
    answers.feed(_LOOP.run_until_complete(serve(data)))
    answered = list(iter(answers.next_frame, None))
    assert answers.kept == 0
    assert sorted(frame.stream_id for frame in answered) == sorted(frame.stream_id for frame in requests)
    for frame in answered:
        assert (frame.kind, frame.flags) == (RESPONSE, 0)
        try:
            decode_response(frame.payload)
        except StatusError as error:
            assert error.message  # noqa: PT017  # statuses of the server always say something


def seeds() -> Iterable[bytes]:
    for name in ("guest/aa-rpcs", "guest/cdh-rpcs", "guest/ttrpc-oddities"):
        for framed in ttrpc_recording(name):
            yield framed.request_frame[:LIMIT]
            yield (framed.response_frame or b"")[:LIMIT]
    for name in ("stock/hub-to-agent-ttrpc", "stock/rest-to-hub-ttrpc"):
        chunks = stream(name)
        yield b"".join(chunk.data for chunk in chunks if chunk.direction == ">")


_LOOP: Final = asyncio.new_event_loop()
atexit.register(_LOOP.close)
TARGET = target
SEEDS = seeds
MAX_LEN = 4096
