"""The ASGI application around a handler, without sockets."""

from __future__ import annotations

import asyncio
import gzip
import logging
from typing import Any

import httpx
import pytest
from attestack_common.http_server import Handler, Limits, Request, Response, asgi_app
from attestack_common.logs.lines import FIELDS, TextFormatter

from tests.unit.attestack_common.http_server.edge import Recorder

SMALL = Limits(body_bytes=10, handler_seconds=60)


def client(handler: Handler, limits: Limits = SMALL) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(asgi_app(handler, limits)), base_url="http://kbs")


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
    assert answer.headers.raw == [
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
    assert (answer.status_code, answer.headers.raw, answer.content) == (404, [(b"content-length", b"0")], b"")


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
    assert "HTTP-HANDLER-TIME" in TextFormatter().format(caplog.records[0])


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
    (record,) = (one for one in caplog.records if one.name == "http")
    line = TextFormatter().format(record)
    assert record.levelno == logging.ERROR
    assert f'a handler failed error="{type(error).__name__} at http_server/test_application.py:' in line
    assert " method=POST path=/p" in line
    assert "hunter2" not in line


@pytest.mark.parametrize(
    "response",
    [
        Response(200, b"x", "text/plain\r\nx: y"),
        Response(headers=(("a", "b\nc"),)),
        Response(headers=(("a\0", "b"),)),
        Response(headers=(("a", "\u20ac"),)),
    ],
)
async def test_an_answer_that_would_split_is_not_sent(response: Response, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(_: Request) -> Response:
        return response

    with caplog.at_level(logging.ERROR):
        async with client(handler) as http:
            answer = await http.get("/")
    assert (answer.status_code, answer.headers.raw) == (500, [(b"content-length", b"0")])
    assert caplog.records[0].message == "a handler made an answer that cannot be sent"


async def test_a_refusal_is_logged_by_code_and_place(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        async with client(Recorder()) as http:
            await http.post("/kbs/v0/auth", content=b"x" * 11)
    (record,) = (one for one in caplog.records if one.name == "http")
    fields = getattr(record, FIELDS)
    assert record.message == "request refused"
    assert (fields["error"].code, fields["method"], fields["path"]) == ("HTTP-BODY-SIZE", "POST", "/kbs/v0/auth")


async def run(scope: dict[str, Any], messages: list[dict[str, Any]], handler: Handler) -> list[Any]:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    await asgi_app(handler, SMALL)(scope, receive, send)
    return sent


def scope(*headers: tuple[bytes, bytes], **more: Any) -> dict[str, Any]:
    base = {"type": "http", "method": "POST", "path": "/", "raw_path": b"/", "query_string": b""}
    return {**base, "headers": list(headers), "client": None, **more}


async def test_a_peer_that_leaves_within_its_body_gets_no_answer() -> None:
    seen = Recorder()
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": b"x", "more_body": True},
        {"type": "http.disconnect"},
    ]
    assert await run(scope((b"content-length", b"5")), messages, seen) == []
    assert seen.requests == []


async def test_without_a_length_there_is_no_body_to_wait_for() -> None:
    seen = Recorder()
    sent = await run(scope(), [], seen)
    assert sent[0]["status"] == 200
    assert (seen.requests[0].body, seen.requests[0].client_host) == (b"", "")
    assert (await run(scope((b"content-length", b"0")), [], seen))[0]["status"] == 200


async def test_a_length_that_is_no_number_does_not_count() -> None:
    seen = Recorder()
    messages = [{"type": "http.request", "body": b"abc"}]
    assert (await run(scope((b"content-length", b"three")), messages, seen))[0]["status"] == 200
    assert seen.requests[0].body == b"abc"


async def test_an_announced_body_over_the_limit_is_not_read() -> None:
    sent = await run(scope((b"content-length", b"104857600")), [], Recorder())
    assert (sent[0]["status"], sent[1]["body"]) == (413, b"payload reached size limit")


async def test_what_is_not_http_is_left_alone() -> None:
    assert await run({"type": "lifespan"}, [], Recorder()) == []
