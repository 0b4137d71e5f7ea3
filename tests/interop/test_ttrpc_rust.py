"""The Rust crate `ttrpc` as the peer. Our server answers with the same bytes, so this is where they are compared."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Final

import pytest
from ttrpc_asyncio import Client, Code

from tests.interop.driver import (
    LARGEST,
    LIMIT,
    SERVICE,
    TOO_LONG,
    Failed,
    Status,
    calling,
    pattern,
    serving,
    wrapped,
)
from tests.interop.our_client_checks import OurClientChecks, echo, refused
from tests.interop.our_server import THOUSAND, OurServer
from tests.interop.our_server_checks import OurServerChecks
from tests.unit.ttrpc_asyncio.peer import failure, frame, raw_peer, request, some_address
from tests.unit.ttrpc_asyncio.vsock import ANY_PORT, LOCAL, LOOPBACK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.interop.driver import PeerProcess
    from tests.unit.ttrpc_asyncio.peer import RawPeer

pytestmark = pytest.mark.timeout(600)  # the first test may have to build the peer


@pytest.fixture
def program(rust_peer: Path) -> Path:
    return rust_peer


class TestOurClient(OurClientChecks):
    unknown_service = Status(Code.INVALID_ARGUMENT, "no.such.Service service does not exist")
    unknown_method = Status(Code.UNIMPLEMENTED, "NoSuchMethod method")
    broken = Status(Code.UNKNOWN, "ttrpc err: broken")
    expired = Status(Code.DEADLINE_EXCEEDED, "timeout")
    even_id = Status(Code.INVALID_ARGUMENT, "stream id must be odd")
    too_long = Code.INVALID_ARGUMENT

    async def test_an_answer_over_the_limit_is_replaced(self, our_client: Client) -> None:
        answer = await refused(our_client, "Pattern", str(LIMIT).encode())
        assert answer == Status(Code.INVALID_ARGUMENT, TOO_LONG.format(LIMIT + 12))


class TestOurServer(OurServerChecks):
    too_long = Failed(f"ttrpc err: {TOO_LONG.format(LIMIT + 1)}")
    too_late = Failed("ttrpc err: Receive packet timeout Elapsed(())")
    cut_off = Failed("socket err: early eof")
    gone = Failed("ttrpc err: local stream closed")
    # Its client hands over an answer in one task and the end of the connection in another, so the end may be first.
    loses_the_last_answer = True


ENVELOPES: Final = [
    *("ffffff", "0a05616263", "0a", "0affffffff7f", "19", "0200", "0000", "0e", "0f", "0a01ff", "2a030a01ff"),
    *("20ffffffffffffffffff02", "20ffffffffffffffffffff01", "0affffffff10", "15616263"),
]
"""What does not decode, or only just."""

SAME: Final = {
    **{f"envelope {body}": frame(1, 1, bytes.fromhex(body)) for body in ENVELOPES},
    "no bytes": frame(1, 1, b""),
    "stream 0": frame(0, 1, b""),
    "stream 2": frame(2, 1, b""),
    "the last stream": request(0xFFFF_FFFF, "Echo", wrapped(b"x"), service=SERVICE),
    "4 MiB and a byte": frame(1, 1, bytes(LIMIT + 1)),
    "no such service": request(1, service="no.such.Service"),
    "no such method": request(1, "NoSuchMethod", service=SERVICE),
    "a payload": request(1, "Echo", wrapped(b"x"), service=SERVICE),
    "an empty message": request(1, "Echo", service=SERVICE),
    "a payload that is no message": request(1, "Echo", b"\x0a\x05x", service=SERVICE),
    "a negative time limit": request(1, "Echo", wrapped(b"x"), service=SERVICE, timeout_nano=-1),
    "flags": frame(1, 1, request(1, "Echo", wrapped(b"x"), service=SERVICE)[10:], flags=7),
    "an answer over the limit": request(1, "Pattern", wrapped(str(LIMIT).encode()), service=SERVICE),
}
"""What our server answers with the same bytes as the crate."""

OTHER: Final = {
    "a group": (frame(1, 1, b"\x0b\x0c"), " service does not exist", "Unexpected wire type"),
    "metadata cut off": (frame(1, 1, b"\x2a\x05"), " service does not exist", "Unexpected EOF"),
}
"""What they say differently, as docs/differences.md has it: a frame, the crate's words, ours."""


@pytest.fixture
async def ends(their_server: PeerProcess, address: str) -> AsyncIterator[tuple[RawPeer, RawPeer]]:
    """A connection to their server, and one to ours."""
    assert their_server.process.returncode is None
    ours = some_address()
    async with OurServer() as server:
        await server.server.start(ours)
        async with raw_peer(address) as their_end, raw_peer(ours) as our_end:
            yield their_end, our_end


@pytest.mark.parametrize("sent", SAME.values(), ids=SAME.keys())
async def test_our_server_answers_with_the_bytes_of_the_crate(ends: tuple[RawPeer, RawPeer], sent: bytes) -> None:
    theirs, ours = ends
    assert await ours.ask(sent) == await theirs.ask(sent)
    following = request(7, "Echo", wrapped(b"the same connection"), service=SERVICE)
    assert await ours.ask(following) == await theirs.ask(following)


@pytest.mark.parametrize(("sent", "their_text", "our_text"), OTHER.values(), ids=OTHER.keys())
async def test_named_differences_are_still_differences(
    ends: tuple[RawPeer, RawPeer], sent: bytes, their_text: str, our_text: str
) -> None:
    theirs, ours = ends
    assert await theirs.ask(sent) == failure(1, Code.INVALID_ARGUMENT, their_text)
    assert await ours.ask(sent) == failure(1, Code.INVALID_ARGUMENT, our_text)


async def test_frames_that_are_no_requests(ends: tuple[RawPeer, RawPeer]) -> None:
    """The crate refuses data without a stream, and even stream ids of any frame; both ignore other types."""
    theirs, ours = ends
    for peer in ends:
        await peer.send(frame(1, 2, b"x"), frame(1, 9, b"x"), frame(1, 3, b"x"), frame(2, 9, b"x"))
    assert await theirs.frame() == failure(1, Code.INVALID_ARGUMENT, "Stream is no longer active")
    assert await theirs.frame() == failure(2, Code.INVALID_ARGUMENT, "stream id must be odd")
    following = request(3, "Echo", wrapped(b"x"), service=SERVICE)
    assert await ours.ask(following) == await theirs.ask(following)


if LOOPBACK:
    # Only on a kernel that can connect a machine to itself over vsock: see README.md.

    async def test_our_client_over_vsock(program: Path) -> None:
        address = f"vsock://{LOCAL}:{secrets.randbelow(1 << 30) + 1024}"
        async with serving(program, address), await Client.connect(address) as client:
            answers = await asyncio.gather(*(echo(client, pattern(number * 1000)) for number in range(100)))
        assert answers == [pattern(number * 1000) for number in range(100)]

    async def test_our_server_over_vsock(program: Path, our_server: OurServer) -> None:
        where = await our_server.server.start(f"vsock://-1:{ANY_PORT}")
        async with calling(program, f"vsock://{LOCAL}:{where.port}") as peer:
            assert await peer.many(THOUSAND, "Gather") == THOUSAND
            assert await peer.call("Echo", pattern(LARGEST)) == pattern(LARGEST)
