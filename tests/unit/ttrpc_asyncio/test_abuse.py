"""Peers that misbehave, over real sockets: they get what the reference says, and no other connection notices."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest
from ttrpc_asyncio import CallContext, Client, Server, Service
from ttrpc_asyncio.protocol import FRAMES_PER_TURN

from tests.unit.ttrpc_asyncio.peer import (
    Gate,
    failure,
    frame,
    methods,
    raw_peer,
    request,
    some_address,
    success,
    until,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.unit.ttrpc_asyncio.peer import RawPeer

FLOOD = 20_000


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
async def address(gate: Gate) -> AsyncIterator[str]:
    where = some_address()
    async with Server([Service("try.Service", methods(Wait=gate))], drain_seconds=0.2) as server:
        await server.start(where)
        async with raw_peer(where) as bystander:
            yield where
            assert await bystander.ask(request(1, payload=b"unharmed")) == success(1, b"unharmed")


async def test_a_thousand_streams_at_once(address: str, gate: Gate) -> None:
    numbers = list(range(1, 2001, 2))
    async with raw_peer(address) as peer:
        await peer.send(*(request(number, "Wait", number.to_bytes(4, "big")) for number in numbers))
        for _ in numbers:
            await gate.entered.acquire()
        gate.open.set()
        answers = {await peer.frame() for _ in numbers}
    assert answers == {success(number, number.to_bytes(4, "big")) for number in numbers}


async def test_frames_interleaved_byte_by_byte_with_another_connection(address: str) -> None:
    sent = request(1, payload=b"slow and steady")
    async with raw_peer(address) as peer, raw_peer(address) as other:
        for number, byte in enumerate(sent):
            await peer.send(bytes([byte]))
            assert await other.ask(request(2 * number + 1)) == success(2 * number + 1)
        assert await peer.frame() == success(1, b"slow and steady")


@pytest.mark.parametrize("seed", range(8))
async def test_garbage(address: str, seed: int) -> None:
    noise = random.Random(seed).randbytes(100_000)
    async with raw_peer(address) as peer:
        await peer.send(noise)
        peer.abort()


async def test_zeros_are_requests_of_type_zero(address: str) -> None:
    async with raw_peer(address) as peer:
        await peer.send(bytes(10_000))
        assert await peer.ask(request(1)) == success(1)


async def test_an_oversize_body_is_skipped_as_it_comes(address: str) -> None:
    async with raw_peer(address) as peer:
        await peer.send(frame(3, 1, b"", length=4_194_305))
        for _ in range(64):
            await peer.send(bytes(65_536))
        text = "message length 4194305 exceed maximum message size of 4194304"
        assert await peer.ask(b"\x00") == failure(3, 3, text)
        assert await peer.ask(request(5, payload=b"x")) == success(5, b"x")


async def test_an_oversize_body_that_never_comes(address: str) -> None:
    async with raw_peer(address) as peer:
        await peer.send(frame(3, 1, b"some", length=0xFFFF_FFFF))
        peer.abort()


async def test_half_a_close_ends_the_connection_and_cancels_its_calls(address: str, gate: Gate) -> None:
    async with raw_peer(address) as peer:
        await peer.send(request(1, "Wait"))
        await gate.entered.acquire()
        peer.writer.write_eof()
        async with asyncio.timeout(20):
            await gate.cancelled.acquire()
        assert await peer.at_end()


async def test_what_was_asked_before_half_a_close_is_answered_if_it_takes_no_time(address: str) -> None:
    async with raw_peer(address) as peer:
        await peer.send(request(1, payload=b"x"))
        peer.writer.write_eof()
        assert await peer.frame() == success(1, b"x")
        assert await peer.at_end()


async def test_half_a_close_in_the_middle_of_a_frame(address: str) -> None:
    async with raw_peer(address) as peer:
        await peer.send(request(1)[:-1])
        peer.writer.write_eof()
        assert await peer.at_end()


async def test_an_abort_cancels_the_calls_of_its_connection_only(address: str, gate: Gate) -> None:
    async with raw_peer(address) as peer, raw_peer(address) as other:
        await other.send(request(1, "Wait", b"still here"))
        await peer.send(request(1, "Wait"), request(3, "Wait"))
        for _ in range(3):
            await gate.entered.acquire()
        peer.abort()
        async with asyncio.timeout(20):
            await gate.cancelled.acquire()
            await gate.cancelled.acquire()
        assert gate.cancelled.locked()
        gate.open.set()
        assert await other.frame() == success(1, b"still here")


async def test_a_call_cancelled_before_its_handler_runs_is_not_left_in_the_books() -> None:
    """Requests and the end of the stream in one go: the handlers have not run when the connection ends."""
    gate = Gate()
    server = Server([Service("try.Service", methods(Wait=gate))], max_connections=1, drain_seconds=1)
    async with server:
        address = str(await server.start(some_address()))
        for _ in range(3):
            async with raw_peer(address) as peer:
                await peer.send(*(request(number, "Wait") for number in range(1, 41, 2)))
                peer.writer.write_eof()
                assert await peer.at_end()
        assert server._state.connections == set()


async def flood(peer: RawPeer, counted: list[int]) -> None:
    """Send requests that are refused, and count the answers as they come."""
    sending = asyncio.create_task(peer.send(frame(2, 1, b"") * FLOOD))
    for number in range(FLOOD):
        assert await peer.frame() == failure(2, 3, "stream id must be odd")
        counted.append(number)
    await sending


async def test_a_flood_on_one_connection_does_not_starve_another(address: str) -> None:
    counted: list[int] = []
    async with raw_peer(address) as peer, raw_peer(address) as other:
        flooding = asyncio.create_task(flood(peer, counted))
        await until(lambda: counted)
        for number in range(1, 11, 2):
            assert await other.ask(request(number)) == success(number)
        assert len(counted) < FLOOD // 2
        await flooding
    assert FRAMES_PER_TURN < FLOOD


async def send_much(peer: RawPeer) -> None:
    for number in range(1, 2001, 2):
        await peer.send(request(number, payload=bytes(100_000)))


async def test_a_peer_that_never_reads_is_aborted(address: str, caplog: pytest.LogCaptureFixture) -> None:
    async with raw_peer(address) as peer:
        peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
        with pytest.raises(ConnectionError):
            await send_much(peer)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.endswith("bytes unread for 0.2 s: connection aborted")


async def test_a_peer_that_never_reads_and_closes_half_is_aborted(
    address: str, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    """What is left to write is below the mark at which the transport asks to hold back."""
    async with raw_peer(address) as peer:
        peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await peer.send(request(1, "Wait"))
        await peer.send(request(3, payload=bytes(220_000)))
        peer.writer.write_eof()
        async with asyncio.timeout(20):
            await gate.cancelled.acquire()
        await until(lambda: "connection aborted" in caplog.text)


async def test_a_peer_that_reads_late_gets_every_answer() -> None:
    started = asyncio.Event()

    async def big(_payload: bytes, _context: CallContext) -> bytes:
        started.set()
        return bytes(300_000)

    async with Server([Service("try.Service", {"Big": big})]) as server:
        address = str(await server.start(some_address()))
        async with raw_peer(address) as peer:
            numbers = range(1, 401, 2)
            sending = asyncio.create_task(peer.send(*(request(number, "Big", bytes(50_000)) for number in numbers)))
            await started.wait()
            await asyncio.sleep(0.05)
            assert not sending.done()
            answers = {await peer.frame() for _ in numbers}
            await sending
    assert answers == {success(number, bytes(300_000)) for number in numbers}


async def test_clients_and_garbage_at_the_same_time(address: str) -> None:
    async def client(number: int) -> None:
        async with await Client.connect(address) as one:
            for turn in range(20):
                payload = bytes([number, turn])
                assert await one.call("try.Service", "Echo", payload, timeout=60) == payload

    async def vandal(number: int) -> None:
        for turn in range(5):
            async with raw_peer(address) as peer:
                await peer.send(request(1, "Wait"), random.Random(number * 100 + turn).randbytes(5000))
                peer.abort()

    await asyncio.gather(*map(client, range(8)), *map(vandal, range(8)))
