"""The client: what it sends, how it tells answers apart, and how calls fail."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any

import pytest
from ttrpc_asyncio import (
    MAX_MESSAGE,
    AddressError,
    Client,
    Code,
    ConnectError,
    ConnectionClosedError,
    DeadlineExceededError,
    EnvelopeError,
    FrameError,
    Server,
    Service,
    StatusError,
)

from tests.unit.ttrpc_asyncio.peer import (
    Ping,
    Pong,
    RawPeer,
    RequestPb,
    failure,
    frame,
    methods,
    path_of,
    raw_server,
    request,
    some_address,
    success,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from ttrpc_asyncio import CallContext

SERVICE = "try.Service"
ENVELOPE_SIZE = 13 + 3 + 5
"""Bytes around a long payload: the name of the service, of the method M, tag and length."""


@contextlib.asynccontextmanager
async def against(serve: Callable[[RawPeer], Any], **options: Any) -> AsyncIterator[Client]:
    """A client of a server that does what `serve` does with the connection."""
    address = some_address()
    async with raw_server(address, serve), await Client.connect(address, **options) as client:
        yield client


async def echo_frames(peer: RawPeer) -> None:
    """Answer every request with its payload."""
    while True:
        sent = await peer.frame()
        await peer.send(success(int.from_bytes(sent[4:8], "big"), RequestPb.FromString(sent[10:]).payload))


def stream_of(sent: bytes) -> int:
    return int.from_bytes(sent[4:8], "big")


async def test_requests_are_the_published_vector_and_ids_are_odd() -> None:
    sent: list[bytes] = []

    async def serve(peer: RawPeer) -> None:
        for number in (1, 3, 5):
            sent.append(await peer.frame())
            await peer.send(success(number, b"\x0a\x06sample"))

    async with against(serve) as client:
        for _ in range(3):
            answer = await client.call("attestation_agent.AttestationAgentService", "GetTeeType", b"", timeout=50)
            assert answer == b"\x0a\x06sample"
    assert [stream_of(one) for one in sent] == [1, 3, 5]
    assert sent[0].hex() == (
        "0000003e000000010100"
        "0a296174746573746174696f6e5f6167656e742e4174746573746174696f6e4167656e7453657276696365"
        "120a476574546565547970652080e8eda1ba01"
    )


async def test_metadata_and_no_time_limit() -> None:
    async def serve(peer: RawPeer) -> None:
        sent = await peer.frame()
        assert sent == request(1, "M", b"p", metadata=[("trace", "1"), ("trace", "2")])
        await peer.send(success(1))

    async with against(serve) as client:
        assert await client.call(SERVICE, "M", b"p", timeout=None, metadata={"Trace": ["1", "2"]}) == b""


async def test_answers_are_told_apart_by_their_stream() -> None:
    async def serve(peer: RawPeer) -> None:
        sent = [await peer.frame() for _ in range(3)]
        for one in reversed(sent):
            await peer.send(success(stream_of(one), RequestPb.FromString(one[10:]).payload * 2))

    async with against(serve) as client:
        calls = (client.call(SERVICE, "M", payload, timeout=20) for payload in (b"a", b"b", b"c"))
        assert await asyncio.gather(*calls) == [b"aa", b"bb", b"cc"]


async def test_frames_that_answer_nothing_are_dropped() -> None:
    async def serve(peer: RawPeer) -> None:
        await peer.frame()
        await peer.send(success(7, b"nobody asked"), frame(1, 1, b""), frame(1, 3, b"x"), frame(1, 9, b"y"))
        await peer.send(success(1, b"answer"), success(1, b"again"))

    async with against(serve) as client:
        assert await client.call(SERVICE, "M", b"", timeout=20) == b"answer"


async def test_a_status_that_is_not_ok_is_raised() -> None:
    async def serve(peer: RawPeer) -> None:
        await peer.frame()
        await peer.send(failure(1, 13, "[CDH] [ERROR]: Get Resource failed"))

    async with against(serve) as client:
        with pytest.raises(StatusError) as caught:
            await client.call(SERVICE, "M", b"", timeout=20)
    assert (caught.value.status, caught.value.message) == (Code.INTERNAL, "[CDH] [ERROR]: Get Resource failed")


async def test_a_call_without_answer_in_time_fails_alone() -> None:
    async def serve(peer: RawPeer) -> None:
        first = await peer.frame()
        second = await peer.frame()
        await peer.send(success(stream_of(first), b"too late"), success(stream_of(second), b"in time"))
        await peer.frame()

    async with against(serve) as client:
        with pytest.raises(DeadlineExceededError) as caught:
            await client.call(SERVICE, "M", b"", timeout=0.01)
        assert caught.value.message == "/try.Service/M: no answer in time"
        assert await client.call(SERVICE, "M", b"", timeout=20) == b"in time"


@pytest.mark.parametrize("seconds", [0, -1, -0.5])
async def test_a_time_limit_that_is_over_sends_nothing(seconds: float) -> None:
    async with against(echo_frames) as client:
        with pytest.raises(DeadlineExceededError):
            await client.call(SERVICE, "M", b"", timeout=seconds)
        assert await client.call(SERVICE, "M", b"x", timeout=20) == b"x"
        assert client._connection.next_stream_id == 3


@pytest.mark.parametrize(("seconds", "nanoseconds"), [(1e-10, 1), (0.5, 500_000_000), (1e12, 2**63 - 1)])
async def test_time_limits_travel_in_nanoseconds(seconds: float, nanoseconds: int) -> None:
    seen: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def serve(peer: RawPeer) -> None:
        sent = await peer.frame()
        seen.set_result(RequestPb.FromString(sent[10:]).timeout_nano)
        await peer.send(success(1))
        await peer.frame()

    async with against(serve) as client:
        with contextlib.suppress(DeadlineExceededError):
            await client.call(SERVICE, "M", b"", timeout=seconds)
        assert await seen == nanoseconds


async def test_the_end_of_the_connection_fails_every_call() -> None:
    async def serve(peer: RawPeer) -> None:
        for _ in range(3):
            await peer.frame()
        await peer.send(b"\x00\x00\x01")

    async with against(serve) as client:
        calls = [client.call(SERVICE, "M", b"", timeout=20) for _ in range(3)]
        for error in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(error, ConnectionClosedError)
            assert (error.message, error.request_sent) == ("local stream closed", True)
        assert client.closed
        with pytest.raises(ConnectionClosedError) as caught:
            await client.call(SERVICE, "M", b"", timeout=20)
        assert caught.value.request_sent is False


async def test_closing_fails_calls_in_flight() -> None:
    entered = asyncio.Event()

    async def serve(peer: RawPeer) -> None:
        await peer.frame()
        entered.set()
        await peer.frame()

    async with against(serve) as client:
        call = asyncio.create_task(client.call(SERVICE, "M", b"", timeout=20))
        await entered.wait()
        await client.close()
        with pytest.raises(ConnectionClosedError):
            await call
        assert client.closed


async def test_a_cancelled_call_leaves_the_others_alone() -> None:
    entered = asyncio.Event()

    async def serve(peer: RawPeer) -> None:
        await peer.frame()
        entered.set()
        await peer.frame()
        await peer.send(success(1, b"late"), success(3, b"mine"))

    async with against(serve) as client:
        call = asyncio.create_task(client.call(SERVICE, "M", b"", timeout=20))
        await entered.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await client.call(SERVICE, "M", b"", timeout=20) == b"mine"


async def test_a_request_over_the_limit_is_not_sent() -> None:
    async with against(echo_frames) as client:
        largest = bytes(MAX_MESSAGE - ENVELOPE_SIZE)
        with pytest.raises(FrameError) as caught:
            await client.call(SERVICE, "M", largest + b"x", timeout=None)
        assert caught.value.message == "message length 4194305 exceed maximum message size of 4194304"
        assert caught.value.code == "TTRPC-MESSAGE-SIZE"
        assert await client.call(SERVICE, "M", largest, timeout=None) == largest


async def test_an_answer_over_the_limit_fails_its_call_only() -> None:
    async def serve(peer: RawPeer) -> None:
        await peer.frame()
        await peer.send(success(1, bytes(1024)))
        await peer.frame()
        await peer.send(success(3, b"x"))

    async with against(serve, max_message=1024) as client:
        with pytest.raises(FrameError, match="message length 1029 exceed maximum message size of 1024"):
            await client.call(SERVICE, "M", b"", timeout=20)
        assert await client.call(SERVICE, "M", b"", timeout=20) == b"x"


async def test_an_answer_that_is_none_fails_its_call_only() -> None:
    async def serve(peer: RawPeer) -> None:
        await peer.frame()
        await peer.send(frame(1, 2, b"\xff\xff"))
        await peer.frame()
        await peer.send(success(3, b"x"))

    async with against(serve) as client:
        with pytest.raises(EnvelopeError, match="Unexpected EOF"):
            await client.call(SERVICE, "M", b"", timeout=20)
        assert await client.call(SERVICE, "M", b"", timeout=20) == b"x"


async def test_messages_of_protobuf() -> None:
    async def serve(peer: RawPeer) -> None:
        sent = await peer.frame()
        assert Ping.FromString(RequestPb.FromString(sent[10:]).payload).text == "ping"
        await peer.send(success(1, Pong(text="pong").SerializeToString()))
        await peer.frame()
        await peer.send(success(3, b"\xff"))

    async with against(serve) as client:
        answer: Any = await client.unary(SERVICE, "M", Ping(text="ping"), Pong, timeout=20)
        assert answer.text == "pong"
        with pytest.raises(EnvelopeError) as caught:
            await client.unary(SERVICE, "M", Ping(), Pong, timeout=20)
    assert (caught.value.message, caught.value.code) == ("the answer is not a tried.Pong", "TTRPC-PAYLOAD")


async def test_a_server_that_does_not_read_holds_calls_until_their_time_is_over() -> None:
    release = asyncio.Event()

    async def serve(peer: RawPeer) -> None:
        await release.wait()
        await echo_frames(peer)

    async with against(serve) as client:
        big = asyncio.create_task(client.call(SERVICE, "M", bytes(3 << 20), timeout=60))
        await asyncio.sleep(0)
        with pytest.raises(DeadlineExceededError):
            await client.call(SERVICE, "M", b"", timeout=0.01)
        waiting = asyncio.create_task(client.call(SERVICE, "M", b"after", timeout=60))
        release.set()
        assert await big == bytes(3 << 20)
        assert await waiting == b"after"


async def test_a_server_that_reads_nothing_for_long_is_given_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("ttrpc_asyncio.client.DRAIN_SECONDS", 0.05)
    release = asyncio.Event()

    async def serve(_peer: RawPeer) -> None:
        await release.wait()

    async with against(serve) as client:
        calls = [client.call(SERVICE, "M", bytes(3 << 20), timeout=None) for _ in range(2)]
        first, second = await asyncio.gather(*calls, return_exceptions=True)
        release.set()
    assert isinstance(first, ConnectionClosedError)
    assert isinstance(second, ConnectionClosedError)
    assert (first.request_sent, second.request_sent) == (True, False)
    assert "unread for 0.05 s: connection aborted" in caplog.text


async def test_stream_ids_are_not_used_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ttrpc_asyncio.client.LAST_STREAM_ID", 3)
    async with against(echo_frames) as client:
        calls = [client.call(SERVICE, "M", payload, timeout=20) for payload in (b"1", b"3", b"5")]
        first, second, third = await asyncio.gather(*calls, return_exceptions=True)
        assert (first, second) == (b"1", b"3")
        assert isinstance(third, ConnectionClosedError)
        assert third.request_sent is False
        assert client.closed


async def test_nobody_at_the_address(tmp_path: Any) -> None:
    stale = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(stale))
    for address, why in (
        (f"unix://{tmp_path}/none", "No such file or directory"),
        (f"unix://{stale}", "Connection refused"),
        (some_address(), "Connection refused"),
    ):
        with pytest.raises(ConnectError) as caught:
            await Client.connect(address)
        assert caught.value.message == f"cannot connect to {address}: {why}"
        assert caught.value.advice == "start the server, or correct the address"
        assert caught.value.code == "TTRPC-CONNECT"


async def test_an_address_that_is_none() -> None:
    with pytest.raises(AddressError):
        await Client.connect("/run/agent.sock")


async def test_a_server_whose_queue_is_full_is_knocked_at_until_there_is_room() -> None:
    address = some_address()
    with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as stack:
        listener.bind(path_of(address))
        listener.listen(0)
        filler = stack.enter_context(socket.socket(socket.AF_UNIX))
        filler.connect(path_of(address))
        with pytest.raises(ConnectError, match=r"no answer within 0\.05 s"):
            await Client.connect(address, timeout=0.05)
        connecting = asyncio.create_task(Client.connect(address, timeout=20))
        await asyncio.sleep(0)
        stack.enter_context(listener.accept()[0])
        async with await connecting as client:
            assert not client.closed


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
async def test_tcp(host: str) -> None:
    peers: list[str] = []

    async def look(payload: bytes, context: CallContext) -> bytes:
        peers.append(context.peer.address)
        assert context.peer.pid is None
        return payload

    async with Server([Service(SERVICE, methods(Look=look))]) as server:
        where = await server.start(f"tcp://{host}:0")
        assert where.port != 0
        async with await Client.connect(where) as client:
            assert await client.call(SERVICE, "Look", b"x", timeout=20) == b"x"
    assert peers[0].startswith(host.strip("[]") + ":")
    with pytest.raises(ConnectError):
        await Client.connect(where)
