"""Every call gets an answer: when the text of its error fails, when its status cannot be sent, when many are unread."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from typing import TYPE_CHECKING, Any, cast

import pytest
from ttrpc_asyncio import CallContext, Code, Detail, Peer, Server, Service, StatusError
from ttrpc_asyncio.connection import peer_of

from tests.unit.ttrpc_asyncio.peer import (
    Gate,
    ResponsePb,
    failure,
    frame,
    methods,
    raw_peer,
    request,
    some_address,
    success,
)

if TYPE_CHECKING:
    from collections.abc import Callable

REFUSED = (8, "too many answers are unread on this connection")


class PanicError(BaseException):
    """What some native extensions raise."""


def raises(error: BaseException) -> Callable[[StatusError], str]:
    def text(_error: StatusError) -> str:
        raise error

    return text


def returns_bytes(_error: StatusError) -> Any:
    return b"not a text"


def server(error_text: Any = None, *, max_message: int = 4 << 20, **handlers: Any) -> Server:
    services = [Service("try.Service", methods(**handlers))]
    return Server(services, error_text=error_text, max_message=max_message, drain_seconds=5)


@pytest.mark.parametrize(
    ("error_text", "kind"),
    [
        (raises(ValueError("the secret")), "ValueError"),
        (raises(PanicError("the secret")), "PanicError"),
        (returns_bytes, "TypeError"),
    ],
    ids=["error", "panic", "another type"],
)
async def test_an_error_text_that_fails_costs_no_caller_its_answer(
    error_text: Any, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def denies(_payload: bytes, _context: CallContext) -> bytes:
        raise StatusError(Code.PERMISSION_DENIED, "not you")

    async def fails(_payload: bytes, _context: CallContext) -> bytes:
        raise KeyError("the secret")

    gate = Gate()
    async with server(error_text, Denies=denies, Fails=fails, Wait=gate) as one:
        address = str(await one.start(some_address()))
        async with raw_peer(address) as peer:
            assert await peer.ask(request(1, "Denies")) == failure(1, 7, "not you")
            assert await peer.ask(request(3, "Fails")) == failure(3, 2, "the handler failed")
            assert await peer.ask(request(5, "Nope")) == failure(5, 12, "Nope method")
            assert await peer.ask(frame(7, 1, b"\xff")) == failure(7, 3, "Unexpected EOF")
            assert await peer.ask(frame(2, 1, b"")) == failure(2, 3, "stream id must be odd")
            assert await peer.ask(request(9, "Wait", timeout_nano=1)) == failure(9, 4, "timeout")
            assert await peer.ask(request(11, payload=b"served")) == success(11, b"served")
    assert sum(record.getMessage().startswith(f"error_text failed: {kind} at ") for record in caplog.records) == 6
    assert "the secret" not in caplog.text


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_an_error_text_that_wants_the_process_to_end_is_not_held_up(stop: type[BaseException]) -> None:
    async def asked() -> None:
        async with server(raises(stop())) as one:
            address = str(await one.start(some_address()))
            async with raw_peer(address) as peer:
                await peer.ask(request(1, "Nope"))

    with pytest.raises(stop):
        asyncio.run(asked())


@pytest.mark.parametrize(
    "bad",
    [
        {"message": None},
        {"message": b"bytes"},
        {"details": [Detail("type", cast("bytes", "text"))]},
        {"details": [Detail(cast("str", 7), b"")]},
        {"details": ["no detail"]},
        {"status": -1000},
        {"status": 1.5},
    ],
    ids=repr,
)
async def test_a_status_that_cannot_be_sent_is_a_handler_that_failed(
    bad: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    async def fails(_payload: bytes, _context: CallContext) -> bytes:
        raise StatusError(bad.get("status", Code.ABORTED), bad.get("message", "m"), bad.get("details", ()))

    async with server(Fails=fails) as one:
        address = str(await one.start(some_address()))
        async with raw_peer(address) as peer:
            assert await peer.ask(request(1, "Fails")) == failure(1, 2, "the handler failed")
            assert await peer.ask(request(3, payload=b"served")) == success(3, b"served")
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("a handler raised a status that cannot be sent: ")


async def test_a_text_that_makes_an_answer_too_long_is_left_out() -> None:
    async with server(lambda error: error.message + "!" * 1000, max_message=200) as one:
        address = str(await one.start(some_address()))
        async with raw_peer(address) as peer:
            refused = await peer.ask(request(1, "Nope"))
            assert refused == failure(1, 3, "message length 1019 exceed maximum message size of 200")
            assert await peer.ask(request(3, payload=b"served")) == success(3, b"served")


async def test_the_bytes_of_unread_answers_are_bounded() -> None:
    """Forty answers of 90 kB are ready at once; eight messages of the largest size may wait, the rest is refused."""
    gate, numbers = Gate(), range(1, 81, 2)

    async def big(payload: bytes, context: CallContext) -> bytes:
        return await gate(payload, context) + bytes(90_000)

    async with server(Big=big, max_message=100_000) as one:
        address = str(await one.start(some_address()))
        async with raw_peer(address) as peer, raw_peer(address) as other:
            peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
            await peer.send(*(request(number, "Big") for number in numbers))
            for _ in numbers:
                await gate.entered.acquire()
            gate.open.set()
            assert await other.ask(request(1, payload=b"served")) == success(1, b"served")
            unread = [connection.transport.get_write_buffer_size() for connection in one._state.connections]
            assert 500_000 < max(unread) <= 800_000 + len(numbers) * 100
            peer.reader._transport.resume_reading()  # type: ignore[attr-defined]
            answers = [await peer.frame() for _ in numbers]
            assert {int.from_bytes(answer[4:8], "big") for answer in answers} == set(numbers)
            statuses = Counter(status_of(answer) for answer in answers)
            assert set(statuses) == {(0, ""), REFUSED}
            assert statuses[0, ""] >= 8
            assert await peer.ask(request(81, "Big")) == success(81, bytes(90_000))


def status_of(answer: bytes) -> tuple[int, str]:
    status = ResponsePb.FromString(answer[10:]).status
    return status.code, status.message


async def test_a_peer_that_is_gone_before_its_name_was_asked_has_none() -> None:
    class Gone(asyncio.Transport):
        def get_extra_info(self, name: str, default: Any = None) -> Any:
            return sock if name == "socket" else default

    with socket.socket(socket.AF_INET) as sock:
        assert peer_of(Gone()) == Peer("")
