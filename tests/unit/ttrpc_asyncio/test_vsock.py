"""Over vsock: the kernel's, where this machine can connect to itself, else a stand-in for it."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest
import uvloop
from ttrpc_asyncio import (
    Address,
    AddressError,
    CallContext,
    Client,
    ConnectError,
    ReconnectingClient,
    Server,
    Service,
)

from tests.unit.ttrpc_asyncio.peer import Gate, methods, request, success
from tests.unit.ttrpc_asyncio.vsock import ANY_PORT, LOCAL, LOOPBACK, StandIn, raw_vsock_peer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture(autouse=True)
def vsock(monkeypatch: pytest.MonkeyPatch) -> None:
    if not LOOPBACK:
        monkeypatch.setattr(socket, "socket", StandIn)


class Ours:
    """A server on a port that the kernel chose, and what its handlers saw."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.seen: list[CallContext] = []
        self.server = Server([Service("try.Service", methods(Wait=self.gate, Look=self.look))], drain_seconds=1)
        self.port = 0

    async def look(self, payload: bytes, context: CallContext) -> bytes:
        self.seen.append(context)
        return payload

    @property
    def address(self) -> str:
        return f"vsock://{LOCAL}:{self.port}"


@pytest.fixture
async def ours() -> AsyncIterator[Ours]:
    one = Ours()
    async with one.server as server:
        where = await server.start(f"vsock://-1:{ANY_PORT}")
        assert (where.scheme, where.host) == ("vsock", "-1")
        one.port = where.port
        assert one.port != ANY_PORT
        yield one


async def test_calls(ours: Ours) -> None:
    payloads = [bytes([number]) * 100_000 for number in range(20)]
    async with await Client.connect(ours.address) as client:
        calls = (client.call("try.Service", "Echo", payload, timeout=60) for payload in payloads)
        assert await asyncio.gather(*calls) == payloads


async def test_a_caller_is_a_context_id_and_a_port(ours: Ours) -> None:
    async with await Client.connect(ours.address) as client:
        assert await client.call("try.Service", "Look", b"x", timeout=60) == b"x"
    (context,) = ours.seen
    cid, port = context.peer.address.split(":")
    assert (cid, port.isdecimal()) == (str(LOCAL), True)
    assert (context.peer.pid, context.peer.uid, context.peer.gid) == (None, None, None)


async def test_half_a_close_ends_the_connection_and_cancels_its_calls(ours: Ours) -> None:
    peer = await raw_vsock_peer(ours.port)
    await peer.send(request(1, "Wait"))
    async with asyncio.timeout(20):
        await ours.gate.entered.acquire()
        peer.writer.write_eof()
        await ours.gate.cancelled.acquire()
    assert await peer.at_end()
    await peer.close()


async def test_vandalism_on_one_connection_leaves_another_alone(ours: Ours) -> None:
    peer, other = await raw_vsock_peer(ours.port), await raw_vsock_peer(ours.port)
    await peer.send(*(request(number, "Wait") for number in range(1, 2001, 2)))
    for _ in range(1000):
        await ours.gate.entered.acquire()
    await peer.send(b"\xff" * 100_000)
    assert await other.ask(request(1, payload=b"served")) == success(1, b"served")
    peer.abort()
    assert await other.ask(request(3, payload=b"served")) == success(3, b"served")
    await peer.close()
    await other.close()


async def test_a_server_that_comes_back_is_found_again(ours: Ours) -> None:
    async with ReconnectingClient(ours.address) as client:
        assert await client.call("try.Service", "Echo", b"x", timeout=60) == b"x"
        await ours.server.stop()
        with pytest.raises(ConnectError):
            await client.call("try.Service", "Echo", b"x", timeout=60)
        await ours.server.start(Address("vsock", "-1", ours.port))
        assert await client.call("try.Service", "Echo", b"x", timeout=60) == b"x"


async def test_a_port_that_is_taken(ours: Ours) -> None:
    with pytest.raises(AddressError) as caught:
        await Server([]).start(f"vsock://-1:{ours.port}")
    assert caught.value.code == "TTRPC-ADDRESS-IN-USE"


async def test_a_port_where_nobody_listens(ours: Ours) -> None:
    await ours.server.stop()
    with pytest.raises(ConnectError) as caught:
        await Client.connect(ours.address)
    assert caught.value.message.startswith(f"cannot connect to {ours.address}: ")


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_the_kernel_s_own_sockets_are_listened_on_or_refused(
    new_loop: type[asyncio.AbstractEventLoop], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where nothing can connect to them."""
    monkeypatch.undo()

    async def scenario() -> Address | AddressError:
        async with Server([]) as server:
            try:
                return await server.start(f"vsock://-1:{ANY_PORT}")
            except AddressError as error:
                return error

    with asyncio.Runner(loop_factory=new_loop) as runner:
        outcome = runner.run(scenario())
    assert outcome.code == "TTRPC-LISTEN" if isinstance(outcome, AddressError) else 0 < outcome.port < ANY_PORT


if LOOPBACK:

    def test_calls_on_uvloop() -> None:
        async def scenario() -> None:
            one = Ours()
            async with one.server as server:
                one.port = (await server.start(f"vsock://-1:{ANY_PORT}")).port
                await test_calls(one)
                await test_a_caller_is_a_context_id_and_a_port(one)
                await test_half_a_close_ends_the_connection_and_cancels_its_calls(one)

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(scenario())
