"""The server: what each frame gets, time limits, limits of number, and stopping."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING, Any

import pytest
from ttrpc_asyncio import CallContext, Code, Detail, Peer, Server, Service, StatusError

from tests.unit.ttrpc_asyncio.peer import (
    Gate,
    PingService,
    RequestPb,
    ResponsePb,
    echo,
    failure,
    frame,
    methods,
    raw_peer,
    request,
    some_address,
    success,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ttrpc_asyncio import Handler

TIMEOUT = "timeout"


class Try:
    """A server with one service, and its address."""

    def __init__(
        self, services: list[Service] | None = None, handlers: dict[str, Handler] | None = None, **options: Any
    ) -> None:
        self.address = some_address()
        table = services or [Service("try.Service", methods(**(handlers or {})))]
        self.server = Server(table, **options)

    async def __aenter__(self) -> str:
        await self.server.start(self.address)
        return self.address

    async def __aexit__(self, *_: object) -> None:
        await self.server.stop()


def raising(error: BaseException) -> Callable[[bytes, CallContext], Awaitable[bytes]]:
    async def handler(_payload: bytes, _context: CallContext) -> bytes:
        raise error

    return handler


async def test_a_call_is_answered_byte_for_byte() -> None:
    async with Try() as address, raw_peer(address) as peer:
        assert await peer.ask(request(1, payload=b"hello")) == success(1, b"hello")
        assert await peer.ask(request(3)) == success(3)


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (frame(2, 1, b""), failure(2, 3, "stream id must be odd")),
        (frame(0, 1, b""), failure(0, 3, "stream id must be odd")),
        (frame(1, 1, b""), failure(1, 3, " service does not exist")),
        (frame(1, 1, b"\xff\xff\xff"), failure(1, 3, "Unexpected EOF")),
        (request(1, service="no.such.Service"), failure(1, 3, "no.such.Service service does not exist")),
        (request(1, "NoSuchMethod"), failure(1, 12, "NoSuchMethod method")),
        (
            frame(1, 1, bytes(1025)),
            failure(1, 3, "message length 1025 exceed maximum message size of 1024"),
        ),
    ],
)
async def test_what_is_refused_leaves_the_connection_usable(sent: bytes, answer: bytes) -> None:
    async with Try(max_message=1024) as address, raw_peer(address) as peer:
        assert await peer.ask(sent) == answer
        assert await peer.ask(request(1, payload=b"x")) == success(1, b"x")


@pytest.mark.parametrize("kind", [0, 2, 3, 9, 255])
async def test_frames_of_other_types_are_ignored(kind: int) -> None:
    async with Try() as address, raw_peer(address) as peer:
        body = RequestPb(service="try.Service", method="Echo").SerializeToString()
        await peer.send(frame(1, kind, body), frame(2, kind, b""))
        assert await peer.ask(request(1)) == success(1)


async def test_flags_of_a_request_do_not_matter() -> None:
    async with Try() as address, raw_peer(address) as peer:
        body = RequestPb(service="try.Service", method="Echo", payload=b"x").SerializeToString()
        assert await peer.ask(frame(1, 1, body, flags=7)) == success(1, b"x")


async def test_answers_come_in_the_order_of_completion() -> None:
    gate = Gate()
    async with Try(handlers={"Wait": gate}) as address, raw_peer(address) as peer:
        await peer.send(request(1, "Wait", b"slow"))
        assert await peer.ask(request(3, payload=b"fast")) == success(3, b"fast")
        gate.open.set()
        assert await peer.frame() == success(1, b"slow")


async def test_a_stream_id_in_flight_is_refused_and_its_call_goes_on() -> None:
    gate = Gate()
    async with Try(handlers={"Wait": gate}) as address, raw_peer(address) as peer:
        await peer.send(request(5, "Wait", b"slow"))
        assert await peer.ask(request(5)) == failure(5, 3, "stream id 5 is in use")
        gate.open.set()
        assert await peer.frame() == success(5, b"slow")
        assert await peer.ask(request(5, payload=b"free again")) == success(5, b"free again")


async def test_the_number_of_calls_in_flight_is_bounded() -> None:
    gate = Gate()
    full = "too many calls in flight on this connection"
    tried = Try(handlers={"Wait": gate}, max_streams_per_connection=2)
    async with tried as address, raw_peer(address) as peer, raw_peer(address) as other:
        await peer.send(request(1, "Wait"), request(3, "Wait"))
        assert await peer.ask(request(5)) == failure(5, 8, full)
        assert await other.ask(request(1)) == success(1)
        gate.open.set()
        assert {await peer.frame(), await peer.frame()} == {success(1), success(3)}
        assert await peer.ask(request(7)) == success(7)


async def test_the_bytes_of_calls_in_flight_are_bounded() -> None:
    gate = Gate()
    async with Try(handlers={"Wait": gate}, max_message=1000) as address, raw_peer(address) as peer:
        await peer.send(*(request(number, "Wait", bytes(900)) for number in range(1, 17, 2)))
        refused = await peer.ask(request(17, "Echo", bytes(900)))
        assert refused == failure(17, 8, "too many calls in flight on this connection")
        gate.open.set()
        assert {await peer.frame() for _ in range(8)} == {success(number, bytes(900)) for number in range(1, 17, 2)}
        assert await peer.ask(request(19, "Echo", bytes(900))) == success(19, bytes(900))


async def test_a_status_from_a_handler_travels_whole() -> None:
    error = StatusError(Code.PERMISSION_DENIED, "not you", [Detail("type", b"value")])
    async with Try(handlers={"Fail": raising(error)}) as address, raw_peer(address) as peer:
        status = ResponsePb.FromString((await peer.ask(request(1, "Fail")))[10:])
    assert (status.status.code, status.status.message, status.payload) == (7, "not you", b"")
    assert [(detail.type_url, detail.value) for detail in status.status.details] == [("type", b"value")]


class NativePanicError(BaseException):
    """What some native extensions raise."""


@pytest.mark.parametrize(
    "error", [ValueError("the secret"), KeyError("the secret"), NativePanicError("the secret")], ids=repr
)
async def test_a35_the_text_of_a_foreign_exception_reaches_neither_peer_nor_log(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    async with Try(handlers={"Fail": raising(error)}) as address, raw_peer(address) as peer:
        assert await peer.ask(request(1, "Fail")) == failure(1, 2, "the handler failed")
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"/try.Service/Fail failed: {type(error).__name__} at ")
    assert "secret" not in caplog.text


@pytest.mark.parametrize("answer", [None, "text", bytearray(b"x")])
async def test_a_handler_that_returns_no_bytes_has_failed(answer: object) -> None:
    async def handler(_payload: bytes, _context: CallContext) -> Any:
        return answer

    def not_a_coroutine(_payload: bytes, _context: CallContext) -> Any:
        return answer

    async with Try(handlers={"A": handler, "B": not_a_coroutine}) as address, raw_peer(address) as peer:
        assert await peer.ask(request(1, "A")) == failure(1, 2, "the handler failed")
        assert await peer.ask(request(3, "B")) == failure(3, 2, "the handler failed")


async def test_an_answer_over_the_limit_is_replaced() -> None:
    async def long(_payload: bytes, _context: CallContext) -> bytes:
        return bytes(1024)

    text = "message length 1029 exceed maximum message size of 1024"
    async with Try(handlers={"Long": long}, max_message=1024) as address, raw_peer(address) as peer:
        assert await peer.ask(request(1, "Long")) == failure(1, 3, text)


async def test_error_text_makes_the_message_of_every_status() -> None:
    def text(error: StatusError) -> str:
        return f"{error.message} ({error.advice}) [{error.code}]"

    handlers = {
        "Mine": raising(StatusError(Code.INTERNAL, "mine", code="MY-CODE", advice="do this")),
        "Fail": raising(ValueError()),
    }
    async with Try(handlers=handlers, error_text=text) as address, raw_peer(address) as peer:
        assert await peer.ask(request(1, "Mine")) == failure(1, 13, "mine (do this) [MY-CODE]")
        assert await peer.ask(request(3, "Fail")) == failure(
            3, 2, "the handler failed (see the server's log) [TTRPC-HANDLER]"
        )
        assert await peer.ask(request(5, "Nope")) == failure(5, 12, "Nope method () [TTRPC-METHOD]")
        assert await peer.ask(frame(7, 1, b"\xff")) == failure(7, 3, "Unexpected EOF () [TTRPC-ENVELOPE]")


async def test_a_call_over_its_time_is_answered_and_cancelled() -> None:
    gate = Gate()
    async with Try(handlers={"Wait": gate}) as address, raw_peer(address) as peer:
        assert await peer.ask(request(1, "Wait", timeout_nano=1_000_000)) == failure(1, 4, TIMEOUT)
        async with asyncio.timeout(20):
            await gate.cancelled.acquire()
        assert await peer.ask(request(3)) == success(3)


async def test_a_handler_that_ignores_its_cancellation_does_not_delay_the_answer() -> None:
    release = asyncio.Event()

    async def stubborn(payload: bytes, _context: CallContext) -> bytes:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await release.wait()
        return payload

    async with Try(handlers={"Stubborn": stubborn}) as address, raw_peer(address) as peer:
        assert await peer.ask(request(1, "Stubborn", timeout_nano=1_000_000)) == failure(1, 4, TIMEOUT)
        assert await peer.ask(request(1)) == failure(1, 3, "stream id 1 is in use")
        release.set()
        assert await peer.ask(request(3)) == success(3)


@pytest.mark.parametrize("nanoseconds", [0, -1, -(2**63), 2**63 - 1])
async def test_no_time_limit(nanoseconds: int) -> None:
    seen: list[CallContext] = []

    async def look(_payload: bytes, context: CallContext) -> bytes:
        seen.append(context)
        return b""

    async with Try(handlers={"Look": look}) as address, raw_peer(address) as peer:
        assert await peer.ask(request(1, "Look", timeout_nano=nanoseconds)) == success(1)
    (context,) = seen
    assert (context.timeout_nano, context.deadline, context.remaining()) == (nanoseconds, None, None)


async def test_a_handler_knows_the_call_the_time_left_and_the_caller() -> None:
    seen: list[tuple[CallContext, float | None]] = []

    async def look(_payload: bytes, context: CallContext) -> bytes:
        seen.append((context, context.remaining()))
        return b""

    async with Try(handlers={"Look": look}) as address, raw_peer(address) as peer:
        sent = request(1, "Look", timeout_nano=50_000_000_000, metadata=[("Trace", "1"), ("trace", "2")])
        assert await peer.ask(sent) == success(1)
    ((context, remaining),) = seen
    assert (context.service, context.method, context.timeout_nano) == ("try.Service", "Look", 50_000_000_000)
    assert context.metadata == {"trace": ("1", "2")}
    assert context.peer == Peer("", os.getpid(), os.getuid(), os.getgid())
    assert remaining is not None
    assert 0 < remaining <= 50


async def test_a_handler_that_is_cancelled_from_within_is_answered() -> None:
    async def cancel(_payload: bytes, _context: CallContext) -> bytes:
        raise asyncio.CancelledError

    async with Try(handlers={"Cancel": cancel}) as address, raw_peer(address) as peer:
        assert await peer.ask(request(1, "Cancel")) == failure(1, 1, "the call was cancelled")
        assert await peer.ask(request(3)) == success(3)


async def test_connections_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    async with Try(max_connections=2) as address, raw_peer(address) as one, raw_peer(address) as two:
        assert await one.ask(request(1)) == success(1)
        assert await two.ask(request(1)) == success(1)
        for _ in range(3):
            async with raw_peer(address) as three:
                assert await three.at_end()
        assert await one.ask(request(3)) == success(3)
        await two.close()
        assert await one.ask(request(5)) == success(5)
        async with raw_peer(address) as four:
            assert await four.ask(request(1)) == success(1)
    assert [record.getMessage() for record in caplog.records] == ["connections are refused: 2 are open"]


async def test_services_have_different_names() -> None:
    with pytest.raises(ValueError, match="two services have the same name"):
        Server([Service("a", {}), Service("a", {})])


async def test_several_services_and_several_addresses() -> None:
    first, second = some_address(), some_address()
    async with Server([Service("a", {"Echo": echo}), Service.from_descriptor(PingService, object())]) as server:
        await server.start(first)
        await server.start(second)
        async with raw_peer(first) as one, raw_peer(second) as two:
            assert await one.ask(request(1, service="a", payload=b"x")) == success(1, b"x")
            assert await two.ask(request(1, "Send", service="tried.PingService")) == failure(
                1, 5, "/tried.PingService/Send is not supported"
            )


async def test_stopping_lets_calls_in_flight_end_and_refuses_new_ones() -> None:
    gate = Gate()
    tried = Try(handlers={"Wait": gate})
    async with tried as address, raw_peer(address) as peer:
        await peer.send(request(1, "Wait", b"slow"))
        await gate.entered.acquire()
        stopping = asyncio.create_task(tried.server.stop())
        await asyncio.sleep(0)
        assert await peer.ask(request(3)) == failure(3, 14, "the server is stopping")
        with pytest.raises(ConnectionRefusedError):
            async with raw_peer(address):
                pass
        assert not stopping.done()
        gate.open.set()
        assert await peer.frame() == success(1, b"slow")
        assert await peer.at_end()
        await stopping


async def test_stopping_cancels_what_does_not_end() -> None:
    gate = Gate()
    tried = Try(handlers={"Wait": gate}, drain_seconds=0.01)
    async with tried as address, raw_peer(address) as peer:
        await peer.send(request(1, "Wait"))
        await gate.entered.acquire()
        await tried.server.stop()
        assert await peer.frame() == failure(1, 1, "the call was cancelled")
        assert await peer.at_end()


async def test_stopping_leaves_behind_what_ignores_its_cancellation(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ttrpc_asyncio.server.CANCEL_SECONDS", 0.01)
    release, entered = asyncio.Event(), asyncio.Event()

    async def stubborn(payload: bytes, _context: CallContext) -> bytes:
        while not release.is_set():
            entered.set()
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        return payload

    tried = Try(handlers={"Stubborn": stubborn}, drain_seconds=0.01)
    async with tried as address, raw_peer(address) as peer:
        await peer.send(request(1, "Stubborn"))
        await entered.wait()
        await tried.server.stop()
        assert await peer.at_end()
        assert [record.getMessage() for record in caplog.records] == [
            "handlers ignore their cancellation and are left behind"
        ]
        release.set()


async def test_serving_for_ever_ends_with_stop() -> None:
    tried = Try()
    async with tried:
        serving = asyncio.create_task(tried.server.serve_forever())
        await asyncio.sleep(0)
        assert not serving.done()
        await tried.server.stop()
        async with asyncio.timeout(20):
            await serving


async def test_a_server_starts_again_after_stop() -> None:
    tried = Try()
    async with tried:
        pass
    async with tried as address, raw_peer(address) as peer:
        assert await peer.ask(request(1)) == success(1)


async def test_the_log_of_ignored_frames_is_for_debugging(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "ttrpc_asyncio")
    async with Try() as address, raw_peer(address) as peer:
        await peer.send(frame(7, 9, b""))
        assert await peer.ask(request(1)) == success(1)
    assert [record.getMessage() for record in caplog.records] == ["frame of type 9 on stream 7 ignored"]
