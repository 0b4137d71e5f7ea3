"""The client that survives restarts: when it connects, and when it calls a second time."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from typing import TYPE_CHECKING, Any

import pytest
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

from tests.unit.ttrpc_asyncio.peer import (
    Ping,
    Pong,
    RawPeer,
    RequestPb,
    methods,
    raw_server,
    some_address,
    success,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SERVICE = "try.Service"


class Connections:
    """A server that drops each connection after a number of requests that it read, and answers on the last one."""

    def __init__(self, *dropped_after: int) -> None:
        self.dropped_after = list(dropped_after)
        self.count = 0
        self.requests: list[bytes] = []

    async def __call__(self, peer: RawPeer) -> None:
        self.count += 1
        if self.dropped_after:
            for _ in range(self.dropped_after.pop(0)):
                self.requests.append(await peer.frame())
            return
        while True:
            sent = await peer.frame()
            self.requests.append(sent)
            await peer.send(success(int.from_bytes(sent[4:8], "big"), RequestPb.FromString(sent[10:]).payload))


@contextlib.asynccontextmanager
async def against(serve: Connections) -> AsyncIterator[ReconnectingClient]:
    address = some_address()
    async with raw_server(address, serve), ReconnectingClient(address) as client:
        yield client


async def test_it_connects_at_the_first_call_and_once() -> None:
    serve = Connections()
    async with against(serve) as client:
        assert serve.count == 0
        calls = (client.call(SERVICE, "M", bytes([number]), timeout=20) for number in range(20))
        assert await asyncio.gather(*calls) == [bytes([number]) for number in range(20)]
        assert await client.call(SERVICE, "M", b"x", timeout=20) == b"x"
    assert serve.count == 1


async def test_it_outlives_a_restart_of_the_server() -> None:
    address = some_address()
    async with ReconnectingClient(address) as client:
        for _ in range(3):
            async with Server([Service(SERVICE, methods())]) as server:
                await server.start(address)
                assert await client.call(SERVICE, "Echo", b"x", timeout=20) == b"x"


async def test_a_request_that_may_have_been_seen_is_not_sent_twice() -> None:
    serve = Connections(1)
    async with against(serve) as client:
        with pytest.raises(ConnectionClosedError) as caught:
            await client.call(SERVICE, "M", b"once", timeout=20)
        assert caught.value.request_sent is True
        assert len(serve.requests) == 1
        assert await client.call(SERVICE, "M", b"next", timeout=20) == b"next"
    assert serve.count == 2


async def test_an_idempotent_call_is_made_twice_and_no_more() -> None:
    serve = Connections(1)
    async with against(serve) as client:
        assert await client.call(SERVICE, "M", b"x", timeout=20, idempotent=True) == b"x"
    assert len(serve.requests) == 2
    serve = Connections(1, 1)
    async with against(serve) as client:
        with pytest.raises(ConnectionClosedError):
            await client.call(SERVICE, "M", b"x", timeout=20, idempotent=True)
    assert (len(serve.requests), serve.count) == (2, 2)


async def test_a_request_that_was_not_sent_is_sent_on_the_next_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection dies between the look at it and the call."""
    serve = Connections()
    async with against(serve) as client:
        assert await client.call(SERVICE, "M", b"1", timeout=20) == b"1"
        first = client._client
        assert first is not None
        call = first.call

        async def dying(*arguments: Any, **options: Any) -> bytes:
            await first.close()
            return await call(*arguments, **options)

        monkeypatch.setattr(first, "call", dying)
        assert await client.call(SERVICE, "M", b"2", timeout=None) == b"2"
    assert serve.count == 2
    assert [RequestPb.FromString(sent[10:]).payload for sent in serve.requests] == [b"1", b"2"]


async def test_a_second_call_has_the_time_that_is_left() -> None:
    serve = Connections(1)
    async with against(serve) as client:
        assert await client.call(SERVICE, "M", b"x", timeout=50, idempotent=True) == b"x"
    first, second = (RequestPb.FromString(sent[10:]).timeout_nano for sent in serve.requests)
    assert first == 50_000_000_000
    assert 0 < second < first


async def test_a_time_limit_that_passed_is_no_reason_to_call_again() -> None:
    async def silent(peer: RawPeer) -> None:
        requests.append(await peer.frame())
        await peer.frame()

    requests: list[bytes] = []
    address = some_address()
    async with raw_server(address, silent), ReconnectingClient(address) as client:
        with pytest.raises(DeadlineExceededError):
            await client.call(SERVICE, "M", b"", timeout=0.01, idempotent=True)
    assert len(requests) == 1


async def test_callers_share_one_attempt_and_its_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = 0
    connect = Client.connect

    async def counted(*arguments: Any, **options: Any) -> Client:
        nonlocal attempts
        attempts += 1
        await asyncio.sleep(0.01)
        return await connect(*arguments, **options)

    monkeypatch.setattr(Client, "connect", counted)
    async with ReconnectingClient(some_address()) as client:
        calls = [client.call(SERVICE, "M", b"", timeout=20) for _ in range(5)]
        errors = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(error, ConnectError) for error in errors)
        assert attempts == 1
        with pytest.raises(ConnectError):
            await client.call(SERVICE, "M", b"", timeout=20)
    assert attempts == 2


async def test_a_caller_that_gives_up_does_not_take_the_attempt_from_the_others() -> None:
    serve = Connections()
    async with against(serve) as client:
        one = asyncio.create_task(client.call(SERVICE, "M", b"1", timeout=20))
        two = asyncio.create_task(client.call(SERVICE, "M", b"2", timeout=20))
        await asyncio.sleep(0)
        one.cancel()
        assert await two == b"2"
        with pytest.raises(asyncio.CancelledError):
            await one
    assert serve.count == 1


async def test_an_attempt_that_fails_when_all_have_given_up_is_no_complaint(caplog: pytest.LogCaptureFixture) -> None:
    async with ReconnectingClient(some_address()) as client:
        call = asyncio.create_task(client.call(SERVICE, "M", b"", timeout=20))
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        attempt = client._connecting
        assert attempt is not None
        await asyncio.wait([attempt])
        client._connecting = None
        del attempt
        gc.collect()
    assert caplog.records == []


async def test_a_connection_that_dies_at_once_is_each_caller_s_own_affair() -> None:
    """While one caller has not woken up yet, another already connects again."""
    serve = Connections(0, 0, 0)
    async with against(serve) as client:
        calls = [client.call(SERVICE, "M", b"x", timeout=20, idempotent=True) for _ in range(10)]
        for outcome in await asyncio.gather(*calls, return_exceptions=True):
            assert outcome == b"x" or isinstance(outcome, ConnectionClosedError)
        assert await client.call(SERVICE, "M", b"y", timeout=20, idempotent=True) == b"y"


async def test_closing_is_for_good() -> None:
    async with against(Connections()) as client:
        assert await client.call(SERVICE, "M", b"x", timeout=20) == b"x"
        await client.close()
        with pytest.raises(ConnectionClosedError, match="the client is closed"):
            await client.call(SERVICE, "M", b"x", timeout=20)


async def test_closing_ends_an_attempt_to_connect() -> None:
    async with against(Connections()) as client:
        call = asyncio.create_task(client.call(SERVICE, "M", b"x", timeout=20))
        await asyncio.sleep(0)
        await client.close()
        with pytest.raises(ConnectionClosedError, match="the client is closed") as caught:
            await call
        assert caught.value.request_sent is False


async def test_closing_what_never_connected() -> None:
    await ReconnectingClient(some_address()).close()


async def test_messages_of_protobuf() -> None:
    async with against(Connections()) as client:
        answer: Any = await client.unary(SERVICE, "M", Ping(text="same field"), Pong, timeout=20, idempotent=True)
        assert answer.text == "same field"


def test_an_address_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(AddressError):
        ReconnectingClient("unix:@agent")
