"""From a request to its answer: what a handler is given, how its answer is written, what is answered for it."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import logging
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from attestack_common.http_server import Handler, Limits, Request, Response
from attestack_common.http_server.answering import encode
from attestack_common.logs.lines import FIELDS, TextFormatter

from tests.unit.attestack_common.http_server.edge import Recorder, ask_once, connected, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SMALL = Limits(body_bytes=10, handler_seconds=60)


@contextlib.asynccontextmanager
async def client(handler: Handler, limits: Limits = SMALL) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serving(handler, limits) as server,
        httpx.AsyncClient(base_url=f"http://{server.addresses[0]}", trust_env=False, timeout=30) as http,
    ):
        yield http


def of_the_edge(records: list[logging.LogRecord]) -> list[logging.LogRecord]:
    """The log records of requests."""
    return [record for record in records if record.name == "http" and record.message != "listening"]


def undated(answer: httpx.Response) -> list[tuple[bytes, bytes]]:
    """The header fields of an answer, but the date."""
    return [(name, value) for name, value in answer.headers.raw if name != b"date"]


async def test_a_request_comes_whole() -> None:
    seen = Recorder()
    async with client(seen) as http:
        answer = await http.post("/a%2Fb?x=1&y=+", content=b"0123456789", headers={"X-Name": "v"})
    assert (answer.status_code, answer.content) == (200, b"10 bytes")
    request = seen.requests[0]
    assert (request.method, request.path, request.raw_target) == ("POST", "/a/b", b"/a%2Fb?x=1&y=+")
    assert (request.query, request.header("x-name")) == ({"x": "1", "y": " "}, "v")
    assert (request.body, request.client_host) == (b"0123456789", "127.0.0.1")


async def test_an_answer_has_its_length_and_what_the_handler_says() -> None:
    async def handler(_: Request) -> Response:
        return Response(405, b"no", "text/xml", (("allow", "GET"), ("set-cookie", "a=ü")), close=True)

    async with client(handler) as http:
        answer = await http.get("/")
    assert answer.status_code == 405
    assert undated(answer) == [
        (b"content-length", b"2"),
        (b"connection", b"close"),
        (b"content-type", b"text/xml"),
        (b"allow", b"GET"),
        (b"set-cookie", b"a=\xfc"),
    ]


async def test_an_empty_answer_says_nothing_of_its_type() -> None:
    async def handler(_: Request) -> Response:
        return Response(404)

    async with client(handler) as http:
        answer = await http.get("/")
    assert (answer.status_code, undated(answer), answer.content) == (404, [(b"content-length", b"0")], b"")


async def pieces(count: int) -> Any:
    for _ in range(count):
        yield b"x"


async def test_a_body_of_unknown_length_is_counted() -> None:
    seen = Recorder()
    async with client(seen) as http:
        assert (await http.put("/", content=pieces(10))).content == b"10 bytes"
        answer = await http.put("/", content=pieces(11))
    assert answer.status_code == 413
    assert len(seen.requests) == 1


async def test_a_body_over_the_limit_is_refused_as_recorded() -> None:
    seen = Recorder()
    async with client(seen) as http:
        answer = await http.post("/", content=b"x" * 11)
    assert (answer.status_code, answer.content) == (413, b"payload reached size limit")
    assert answer.headers["connection"] == "close"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert seen.requests == []


async def test_a_compressed_body_is_bounded_after_inflation() -> None:
    seen = Recorder()
    limits = Limits(body_bytes=100)
    async with client(seen, limits) as http:
        for size, status in ((100, 200), (101, 413)):
            body = gzip.compress(b"x" * size)
            answer = await http.post("/", content=body, headers={"content-encoding": "gzip"})
            assert answer.status_code == status
    assert [request.body for request in seen.requests] == [b"x" * 100]


async def test_a_body_not_as_encoded_is_refused_and_the_connection_kept() -> None:
    async with client(Recorder(), Limits()) as http:
        answer = await http.post("/", content=b"{}", headers={"content-encoding": "gzip"})
    assert answer.status_code == 400
    assert answer.text.startswith("payload reached EOF before completing: ")
    assert "connection" not in answer.headers


async def test_two_content_encodings_leave_the_body_as_it_is() -> None:
    seen = Recorder()
    headers = [("content-encoding", "gzip"), ("content-encoding", "br")]
    async with client(seen) as http:
        await http.post("/", content=b"{}", headers=headers)
    assert seen.requests[0].body == b"{}"


async def test_a_handler_out_of_time_is_answered_for(caplog: pytest.LogCaptureFixture) -> None:
    cancelled = asyncio.Event()

    async def slow(_: Request) -> Response:
        try:
            await asyncio.sleep(600)
        finally:
            cancelled.set()
        return Response()

    with caplog.at_level(logging.INFO):
        async with client(slow, Limits(handler_seconds=0.01)) as http:
            answer = await http.get("/slow")
    assert (answer.status_code, answer.content, answer.headers["connection"]) == (503, b"", "close")
    assert cancelled.is_set()
    assert "HTTP-HANDLER-TIME" in TextFormatter().format(of_the_edge(caplog.records)[0])


@pytest.mark.parametrize("error", [ValueError("hunter2"), TimeoutError("hunter2"), RuntimeError("hunter2")])
async def test_a_handler_that_fails_says_nothing_on_the_wire(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_: Request) -> Response:
        raise error

    with caplog.at_level(logging.INFO):
        async with client(broken, Limits()) as http:
            answer = await http.post("/p?token=hunter2", content=b"hunter2", headers={"authorization": "hunter2"})
    assert (answer.status_code, answer.content) == (500, b"")
    (record,) = of_the_edge(caplog.records)
    line = TextFormatter().format(record)
    assert record.levelno == logging.ERROR
    assert f'a handler failed error="{type(error).__name__} at http_server/test_answering.py:' in line
    assert " method=POST path=/p" in line
    assert "hunter2" not in line


@pytest.mark.parametrize(
    "response",
    [
        Response(200, b"x", "text/plain\r\nx: y"),
        Response(headers=(("a", "b\nc"),)),
        Response(headers=(("a\0", "b"),)),
        Response(headers=(("a b", "c"),)),
        Response(headers=(("a", "\u20ac"),)),
    ],
)
async def test_an_answer_that_would_split_is_not_sent(response: Response, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(_: Request) -> Response:
        return response

    with caplog.at_level(logging.ERROR):
        async with client(handler) as http:
            answer = await http.get("/")
    assert (answer.status_code, undated(answer)) == (500, [(b"content-length", b"0")])
    assert caplog.records[0].message == "a handler made an answer that cannot be sent"


async def test_a_refusal_is_logged_by_code_and_place(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        async with client(Recorder()) as http:
            await http.post("/kbs/v0/auth", content=b"x" * 11)
    (record,) = of_the_edge(caplog.records)
    fields = getattr(record, FIELDS)
    assert record.message == "request refused"
    assert (fields["error"].code, fields["method"], fields["path"]) == ("HTTP-BODY-SIZE", "POST", "/kbs/v0/auth")


async def test_a_peer_that_leaves_within_its_body_gets_no_answer() -> None:
    seen = Recorder()
    async with serving(seen, SMALL) as server, connected(server) as connection:
        await connection.send(b"POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nx")
        connection.writer.write_eof()
        assert await connection.rest() == b""
    assert seen.requests == []


@pytest.mark.parametrize("fields", [b"", b"content-length: 0\r\n", b"content-encoding: gzip\r\n"])
async def test_without_a_length_there_is_no_body_to_wait_for_or_to_inflate(fields: bytes) -> None:
    seen = Recorder()
    answer = await ask_once(b"POST / HTTP/1.1\r\n" + fields + b"\r\n", handler=seen)
    assert (answer.status, seen.requests[0].body) == (200, b"")


async def test_an_announced_body_over_the_limit_is_not_read() -> None:
    answer = await ask_once(b"POST / HTTP/1.1\r\ncontent-length: 104857600\r\n\r\n")
    assert (answer.status, answer.body) == (413, b"payload reached size limit")


@pytest.mark.parametrize(
    ("status", "line"),
    [(200, b"HTTP/1.1 200 OK"), (431, b"HTTP/1.1 431 Request Header Fields Too Large"), (599, b"HTTP/1.1 599 ")],
)
def test_an_answer_is_written_in_one_order(status: int, line: bytes) -> None:
    response = Response(status, b"body", "text/plain", (("allow", "GET"), ("x", "\xfc")))
    head = line + b"\r\ndate: now\r\ncontent-length: 4\r\n"
    fields = b"content-type: text/plain\r\nallow: GET\r\nx: \xfc\r\n\r\n"
    date = b"date: now\r\n"
    assert encode(response, date, close=False) == head + fields + b"body"
    assert encode(response, date, close=True, without_body=True) == head + b"connection: close\r\n" + fields


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\n", "\xfc"])
def test_what_is_no_name_of_a_field_is_not_written(name: str) -> None:
    with pytest.raises(ValueError, match="name of a header field"):
        encode(Response(headers=((name, "x"),)), b"", close=False)
