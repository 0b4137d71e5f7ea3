"""How connections end: while a server stops, behind a last request, by handlers that fail in other ways."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from attestack_common.http_server import Request, Response
from attestack_common.http_server.protocol import Shared

from tests.unit.attestack_common.http_server.edge import PATIENT, WAIT, Recorder, ask_once, connected, serving
from tests.unit.attestack_common.http_server.test_protocol import exchange
from tests.unit.attestack_common.http_server.test_server import DATE, GET, Gate, chunked

if TYPE_CHECKING:
    from attestack_common.http_server import Server

LARGE = bytes(8 * 1024 * 1024)
LAST_BUT_KEPT = GET % b"1" + b"GET /2 HTTP/1.0\r\nconnection: keep-alive\r\n\r\n"


async def large(_: Request) -> Response:
    return Response(200, LARGE)


async def unread(server: Server) -> None:
    """Wait until something is written that its peer does not read."""
    assert server._state is not None
    while not any(connection._written for connection in server._state.connections):  # noqa: ASYNC110  # no event for it
        await asyncio.sleep(0.005)


# While a server stops


async def test_stopping_lets_requests_that_wait_end_too() -> None:
    gate = Gate()

    async def handler(request: Request) -> Response:
        answer = await gate(request)
        await asyncio.sleep(0.02)
        return answer

    server = serving(handler)
    await server.start()
    async with connected(server) as connection:
        await connection.send(GET % b"1" + GET % b"2" + GET % b"3")
        await asyncio.wait_for(gate.entered.wait(), WAIT)
        stopping = asyncio.create_task(server.stop(WAIT))
        await asyncio.sleep(0.02)
        gate.open.set()
        answers = [await connection.answer() for _ in range(3)]
        assert [(answer.body, answer.headers.get("connection")) for answer in answers] == [
            (b"/1", None),
            (b"/2", None),
            (b"/3", "close"),
        ]
        await stopping


async def test_stopping_lets_a_body_come_whose_head_came() -> None:
    server = serving(Recorder())
    await server.start()
    async with connected(server) as connection:
        await connection.send(b"POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\na")
        await asyncio.sleep(0.02)
        stopping = asyncio.create_task(server.stop(WAIT))
        await asyncio.sleep(0.02)
        answer = await connection.ask(b"bc")
        assert (answer.body, answer.headers["connection"]) == (b"3 bytes", "close")
        await stopping


@pytest.mark.parametrize("request_line", [GET % b"", b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n"])
async def test_stopping_lets_an_answer_be_read(request_line: bytes) -> None:
    server = serving(large)
    await server.start()
    async with connected(server) as connection:
        await connection.send(request_line)
        await unread(server)
        stopping = asyncio.create_task(server.stop(WAIT))
        await asyncio.sleep(0.05)
        assert (await connection.answer()).body == LARGE
        await stopping


async def test_a_connection_that_is_made_after_stopping_is_not_served() -> None:
    server = serving(Recorder())
    await server.start()
    await server.stop()
    loop = asyncio.get_running_loop()
    late = await loop.create_server(server.protocol, "127.0.0.1", 0)
    server.addresses = [f"127.0.0.1:{late.sockets[0].getsockname()[1]}"]
    try:
        async with connected(server) as connection:
            assert await connection.rest() == b""
    finally:
        late.close()


async def test_the_date_is_there_before_anybody_can_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    dates: list[bytes] = []

    def shared(*values: Any) -> Shared:
        state = Shared(*values)
        dates.append(state.date)
        return state

    monkeypatch.setattr("attestack_common.http_server.protocol.Shared", shared)
    async with serving(Recorder()):
        assert DATE.fullmatch(dates[0].decode()[len("date: ") : -2])


# Behind a last request, and what else closes a connection


@pytest.mark.parametrize(
    "behind", [b"GET /3 HTTP/1.1\r\n" + b"x: y\r\n" * 9 + b"\r\n", b"POST /3 HTTP/1.1\r\ncontent-length: 99\r\n\r\n"]
)
def test_what_comes_behind_a_last_request_does_not_take_its_answer(behind: bytes) -> None:
    seen, written = exchange([LAST_BUT_KEPT + behind])
    assert [path for _, path, _ in seen] == ["/1", "/2"]
    assert written.count(b"HTTP/1.1 200 OK\r\n") == 2


def test_a_refusal_of_a_head_request_has_no_body() -> None:
    _, written = exchange([b"HEAD / HTTP/1.1\r\ncontent-length: 51\r\n\r\n"])
    assert written.startswith(b"HTTP/1.1 413 ")
    assert written.endswith(b"\r\n\r\n")


def test_a_peer_of_http_1_0_is_never_told_to_continue() -> None:
    start = b"POST / HTTP/1.0\r\ncontent-length: 1\r\nexpect: 100-continue\r\n\r\n"
    assert exchange([start])[1] == b""


async def test_an_answer_that_closes_reaches_a_peer_that_goes_on_sending() -> None:
    gate = Gate()

    async def closing(request: Request) -> Response:
        response = await gate(request)
        return replace(response, close=True)

    async with serving(closing) as server, connected(server) as connection:
        await connection.send(GET % b"1" + GET % b"2")
        await asyncio.wait_for(gate.entered.wait(), WAIT)
        await connection.send(bytes(200_000))  # into the socket: nobody reads it meanwhile
        await asyncio.sleep(0.02)
        gate.open.set()
        await asyncio.sleep(0.05)
        assert (await connection.answer()).body == b"/1"
        assert await connection.rest() == b""


async def test_the_time_to_drain_is_not_that_to_read_a_large_answer() -> None:
    async with serving(large, replace(PATIENT, linger_seconds=0.05)) as server, connected(server) as connection:
        await connection.send(b"GET / HTTP/1.1\r\nconnection: close\r\n\r\ngarbage")
        await unread(server)
        await asyncio.sleep(0.2)
        assert (await connection.answer()).body == LARGE


# Handlers


class Panic(BaseException):
    """What extension modules raise where they must not."""


async def test_a_handler_that_was_cancelled_by_another_is_answered_for(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(_: Request) -> Response:
        raise asyncio.CancelledError

    with caplog.at_level(logging.ERROR):
        assert (await ask_once(GET % b"", handler=handler)).status == 500
    assert [record.message for record in caplog.records] == ["a handler failed"]


async def test_a_handler_that_panics_is_answered_for(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(_: Request) -> Response:
        raise Panic

    with caplog.at_level(logging.ERROR):
        assert (await ask_once(GET % b"", handler=handler)).status == 500
    assert [record.message for record in caplog.records] == ["a handler failed"]


async def test_a_handler_that_cancels_its_own_task_leaves_nothing_behind() -> None:
    async def handler(_: Request) -> Response:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)
        return Response()

    async with serving(handler) as server, connected(server) as connection:
        await connection.send(GET % b"")
        assert await connection.rest() == b""
        assert server._state is not None
        assert (server._state.connections, server._state.tasks) == (set(), set())


@pytest.mark.parametrize(
    "wrong",
    [
        Response(body="text"),  # type: ignore[arg-type]  # that is what is wrong
        Response(headers=(("content-length", "3"),)),
        Response(headers=(("Transfer-Encoding", "chunked"),)),
        Response(204, b"body"),
        Response(304, b"body"),
        Response(100),
    ],
)
async def test_an_answer_that_cannot_be_sent_is_answered_500(wrong: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(_: Request) -> Response:
        return wrong  # type: ignore[no-any-return]  # as a handler without type hints

    with caplog.at_level(logging.ERROR):
        async with serving(handler) as server, connected(server) as connection:
            assert [(await connection.ask(GET % b"")).status for _ in range(2)] == [500, 500]
    assert caplog.records[0].message == "a handler made an answer that cannot be sent"


# Memory


async def test_a24_a_body_in_many_small_chunks_takes_no_more_than_its_size() -> None:
    import tracemalloc  # noqa: PLC0415  # nowhere else

    seen = Recorder()
    count = 200_000
    data = chunked(*[b"2", b"ab"] * count, b"0", b"", b"")
    async with serving(seen) as server, connected(server) as connection:
        tracemalloc.start()
        try:
            await connection.send(data)
            assert (await connection.answer()).body == b"%d bytes" % (2 * count)
            assert tracemalloc.get_traced_memory()[1] < 6 * 1024 * 1024
        finally:
            tracemalloc.stop()
        assert server._state is not None
        (served,) = server._state.connections
        assert served._body == b""
    assert seen.requests[0].body == b"ab" * count
