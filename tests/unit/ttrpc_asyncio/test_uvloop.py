"""The same on uvloop, which the guest's programs may run on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import uvloop
from ttrpc_asyncio import (
    AddressError,
    Client,
    ConnectError,
    ConnectionClosedError,
    DeadlineExceededError,
    ReconnectingClient,
    Server,
    Service,
)

from tests.unit.ttrpc_asyncio.peer import Gate, failure, methods, raw_peer, request, some_address, success

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from tests.unit.ttrpc_asyncio.peer import RawPeer


def run(scenario: Coroutine[object, object, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario)


@pytest.mark.parametrize("kind", ["file", "abstract", "tcp"])
def test_calls(tmp_path: Path, kind: str) -> None:
    address = {"file": f"unix://{tmp_path}/s", "abstract": some_address(), "tcp": "tcp://127.0.0.1:0"}[kind]

    async def scenario() -> None:
        async with Server([Service("try.Service", methods())]) as server:
            where = await server.start(address)
            async with await Client.connect(where) as client:
                payloads = [bytes([number]) * 100_000 for number in range(20)]
                calls = (client.call("try.Service", "Echo", payload, timeout=60) for payload in payloads)
                assert await asyncio.gather(*calls) == payloads
        with pytest.raises(ConnectError):
            await Client.connect(where)

    run(scenario())
    assert list(tmp_path.iterdir()) == []


def test_deadlines_and_ends() -> None:
    async def scenario() -> None:
        gate = Gate()
        async with Server([Service("try.Service", methods(Wait=gate))], drain_seconds=0.1) as server:
            address = str(await server.start(some_address()))
            async with raw_peer(address) as peer:
                assert await peer.ask(request(1, "Wait", timeout_nano=1_000_000)) == failure(1, 4, "timeout")
                await peer.send(request(3, "Wait"))
                peer.writer.write_eof()
                async with asyncio.timeout(20):
                    await gate.cancelled.acquire()
                    await gate.cancelled.acquire()
                assert await peer.at_end()
            async with await Client.connect(address) as client:
                with pytest.raises(DeadlineExceededError):
                    await client.call("try.Service", "Wait", b"", timeout=0.01)
                assert await client.call("try.Service", "Echo", b"x", timeout=20) == b"x"
                await server.stop()
                with pytest.raises(ConnectionClosedError):
                    await client.call("try.Service", "Echo", b"x", timeout=20)

    run(scenario())


def test_restarts_and_addresses_that_are_taken(tmp_path: Path) -> None:
    async def scenario() -> None:
        address = f"unix://{tmp_path}/s"
        async with ReconnectingClient(address) as client:
            for _ in range(2):
                async with Server([Service("try.Service", methods())]) as server:
                    await server.start(address)
                    with pytest.raises(AddressError):
                        await Server([]).start(address)
                    assert await client.call("try.Service", "Echo", b"x", timeout=20) == b"x"

    run(scenario())


async def send_much(peer: RawPeer) -> None:
    for number in range(1, 2001, 2):
        await peer.send(request(number, payload=bytes(100_000)))


def test_a_peer_that_never_reads_is_aborted() -> None:
    async def scenario() -> None:
        async with Server([Service("try.Service", methods())], drain_seconds=0.2) as server:
            address = str(await server.start(some_address()))
            async with raw_peer(address) as peer, raw_peer(address) as other:
                peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
                with pytest.raises(ConnectionError):
                    await send_much(peer)
                assert await other.ask(request(1)) == success(1)

    run(scenario())
