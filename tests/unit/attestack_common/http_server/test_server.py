"""The server over real sockets: framing, bounds, time, pipelining, stopping."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from dataclasses import replace

import pytest
from attestack_common.errors import ConfigError
from attestack_common.http_server import Limits, Request, Response, Server

from tests.conformance.recordings import http_recording
from tests.unit.attestack_common.http_server.edge import PATIENT, Recorder, ask_once, connected, serving

GET = b"GET /%s HTTP/1.1\r\nhost: kbs\r\n\r\n"
DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")


def post(body: bytes, *fields: bytes) -> bytes:
    head = b"POST / HTTP/1.1\r\nhost: kbs\r\ncontent-length: %d\r\n" % len(body)
    return head + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body


def chunked(*lines: bytes, fields: bytes = b"") -> bytes:
    return b"POST / HTTP/1.1\r\nhost: kbs\r\n" + fields + b"transfer-encoding: chunked\r\n\r\n" + b"\r\n".join(lines)


class Gate:
    """A handler that answers when it is let."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.open = asyncio.Event()
        self.paths: list[str] = []

    async def __call__(self, request: Request) -> Response:
        self.paths.append(request.path)
        self.entered.set()
        await self.open.wait()
        return Response(200, request.path.encode())


# What is answered


async def test_an_answer_has_length_and_date_and_names_no_server() -> None:
    answer = await ask_once(post(b"abc"))
    assert (answer.status, answer.body) == (200, b"3 bytes")
    assert set(answer.headers) == {"content-length", "content-type", "date"}
    assert DATE.fullmatch(answer.headers["date"])


async def test_a_connection_serves_many_requests() -> None:
    seen = Recorder()
    async with serving(seen) as server, connected(server) as connection:
        for number in range(3):
            assert (await connection.ask(GET % b"%d" % number)).status == 200
    assert [request.path for request in seen.requests] == ["/0", "/1", "/2"]
    assert [request.client_host for request in seen.requests] == ["127.0.0.1"] * 3


async def test_head_is_answered_without_a_body() -> None:
    async with serving(Recorder()) as server, connected(server) as connection:
        await connection.send(b"HEAD / HTTP/1.1\r\n\r\n")
        answer = await connection.answer(head_only=True)
        assert (answer.status, answer.headers["content-length"]) == (200, "7")
        assert (await connection.ask(GET % b"")).status == 200


@pytest.mark.parametrize("request_line", [b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n"])
async def test_a_connection_closes_where_the_peer_wants_it(request_line: bytes) -> None:
    async with serving(Recorder()) as server, connected(server) as connection:
        assert (await connection.ask(request_line)).headers["connection"] == "close"
        assert await connection.rest() == b""


async def test_a_connection_closes_where_the_handler_wants_it() -> None:
    async def handler(_: Request) -> Response:
        return Response(405, close=True)

    async with serving(handler) as server, connected(server) as connection:
        assert (await connection.ask(GET % b"")).headers["connection"] == "close"
        assert await connection.rest() == b""


async def test_a_peer_that_has_sent_all_still_gets_its_answers() -> None:
    gate = Gate()
    async with serving(gate) as server, connected(server) as connection:
        await connection.send(GET % b"1" + GET % b"2" + b"GET /3 HTT")
        connection.writer.write_eof()
        await asyncio.wait_for(gate.entered.wait(), 30)
        await asyncio.sleep(0.02)
        gate.open.set()
        assert [(await connection.answer()).body for _ in range(2)] == [b"/1", b"/2"]
        assert await connection.rest() == b""
    assert gate.paths == ["/1", "/2"]


async def test_a_peer_that_ends_behind_its_request_gets_the_answer_as_the_last() -> None:
    gate = Gate()
    async with serving(gate) as server, connected(server) as connection:
        await connection.send(GET % b"1")
        connection.writer.write_eof()
        await asyncio.wait_for(gate.entered.wait(), 30)
        await asyncio.sleep(0.02)
        gate.open.set()
        answer = await connection.answer()
        assert (answer.body, answer.headers["connection"]) == (b"/1", "close")
        assert await connection.rest() == b""


@pytest.mark.parametrize("start", [b"", b"GET / HTT", b"POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nab"])
async def test_a_peer_that_ends_within_a_request_is_closed(start: bytes) -> None:
    seen = Recorder()
    async with serving(seen) as server, connected(server) as connection:
        await connection.send(start)
        connection.writer.write_eof()
        assert await connection.rest() == b""
    assert seen.requests == []


async def test_the_target_of_a_proxy_is_reduced_to_path_and_query() -> None:
    seen = Recorder()
    await ask_once(b"GET http://kbs:8080/a%2Fb?c=d HTTP/1.1\r\n\r\n", handler=seen)
    assert (seen.requests[0].raw_target, seen.requests[0].path) == (b"/a%2Fb?c=d", "/a/b")


async def test_a_body_in_chunks_is_put_together_and_its_trailer_dropped() -> None:
    seen = Recorder()
    body = chunked(b"3;ext=1", b"abc", b"2", b"de", b"0", b"authorization: Bearer forged", b"", b"")
    assert (await ask_once(body, handler=seen)).body == b"5 bytes"
    assert seen.requests[0].body == b"abcde"
    assert seen.requests[0].header("authorization") is None


async def test_a_body_over_many_reads_is_put_together() -> None:
    seen = Recorder()
    async with serving(seen) as server, connected(server) as connection:
        await connection.send(b"POST / HTTP/1.1\r\ncontent-length: 300000\r\n\r\n")
        for _ in range(3):
            await connection.send(b"x" * 100_000)
            await asyncio.sleep(0.01)
        assert (await connection.answer()).body == b"300000 bytes"
    assert seen.requests[0].body == b"x" * 300_000


async def test_expect_100_continue_is_met_before_the_body() -> None:
    async with serving(Recorder()) as server, connected(server) as connection:
        await connection.send(b"POST / HTTP/1.1\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n")
        assert await connection.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert (await connection.ask(b"abc")).body == b"3 bytes"


async def test_expect_100_continue_is_not_met_for_a_body_over_the_limit() -> None:
    answer = await ask_once(b"POST / HTTP/1.1\r\ncontent-length: 2097153\r\nexpect: 100-continue\r\n\r\n")
    assert answer.status == 413


async def test_expect_100_continue_of_a_later_request_waits_for_the_answer_before_it() -> None:
    gate = Gate()
    async with serving(gate) as server, connected(server) as connection:
        await connection.send(GET % b"1")
        await asyncio.wait_for(gate.entered.wait(), 30)
        await connection.send(b"POST /2 HTTP/1.1\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n")
        await asyncio.sleep(0.02)
        gate.open.set()
        assert (await connection.answer()).body == b"/1"
        assert await connection.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert (await connection.ask(b"abc")).body == b"/2"


@pytest.mark.parametrize("behind", [GET % b"2", b"garbage", b"\r\n"])
@pytest.mark.parametrize("at_once", [True, False])
async def test_what_comes_behind_the_last_request_is_not_read(behind: bytes, at_once: bool) -> None:  # noqa: FBT001
    gate = Gate()
    last = b"GET /1 HTTP/1.1\r\nconnection: close\r\n\r\n"
    async with serving(gate) as server, connected(server) as connection:
        await connection.send(last + (behind if at_once else b""))
        await asyncio.wait_for(gate.entered.wait(), 30)
        if not at_once:
            await connection.send(behind)
            await asyncio.sleep(0.02)
        gate.open.set()
        answer = await connection.answer()
        assert (answer.body, answer.headers["connection"]) == (b"/1", "close")
        assert await connection.rest() == b""
    assert gate.paths == ["/1"]


async def test_the_requests_before_the_last_one_are_answered_too() -> None:
    gate = Gate()
    async with serving(gate) as server, connected(server) as connection:
        await connection.send(GET % b"1" + b"GET /2 HTTP/1.1\r\nconnection: close\r\n\r\n" + GET % b"3")
        await asyncio.wait_for(gate.entered.wait(), 30)
        gate.open.set()
        answers = [await connection.answer() for _ in range(2)]
        assert [(answer.body, answer.headers.get("connection")) for answer in answers] == [
            (b"/1", None),
            (b"/2", "close"),
        ]
        assert await connection.rest() == b""


async def test_ipv6_is_served() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6")
    seen = Recorder()
    async with serving(seen, sockets=["[::1]:0"]) as server, connected(server) as connection:
        assert re.fullmatch(r"\[::1\]:\d+", server.addresses[0])
        assert (await connection.ask(GET % b"")).status == 200
    assert seen.requests[0].client_host == "::1"


async def test_several_addresses_are_served_alike() -> None:
    async with serving(Recorder(), sockets=["127.0.0.1:0", "127.0.0.1:0"]) as server:
        assert len(set(server.addresses)) == 2
        server.addresses.reverse()
        async with connected(server) as connection:
            assert (await connection.ask(GET % b"")).status == 200


# The recorded limits


async def test_the_recorded_limits_hold() -> None:
    steps = http_recording("kbs/body-limits").steps
    for step in steps:
        seen = Recorder()
        lines = [f"{name}: {value}\r\n".encode() for name, value in step.request.headers.items]
        raw = f"{step.request.method} {step.request.target} HTTP/1.1\r\n".encode()
        answer = await ask_once(raw + b"".join(lines) + b"\r\n" + step.request.body, handler=seen)
        if step.response.status in {200, 401}:  # what a broker's handler says is not this server's business
            assert (answer.status, len(seen.requests)) == (200, 1)
            continue
        assert (answer.status, answer.body) == (step.response.status, step.response.body)
        for name in ("connection", "content-type", "content-length"):
            assert answer.headers.get(name) == step.response.headers.get(name)
        assert seen.requests == []
    assert [step.response.status for step in steps] == [401, 413, 200, 400, 200, 431]


@pytest.mark.parametrize(("size", "status"), [(128 * 1024, 200), (128 * 1024 + 1, 431)])
@pytest.mark.parametrize("pieces", [1, 7])
async def test_the_head_is_bounded_to_the_byte(size: int, status: int, pieces: int) -> None:
    head = b"GET / HTTP/1.1\r\nx: " + b"a" * (size - 23) + b"\r\n\r\n"
    assert len(head) == size
    async with serving(Recorder()) as server, connected(server) as connection:
        step = -(-size // pieces)
        for start in range(0, size, step):
            await connection.send(head[start : start + step])
            await asyncio.sleep(0.01 if pieces > 1 else 0)
        answer = await connection.answer()
        assert answer.status == status
        if status == 431:
            assert (answer.body, answer.headers["connection"]) == (b"", "close")
            assert await connection.rest() == b""


async def test_the_head_of_a_later_request_is_bounded_too() -> None:
    limits = replace(PATIENT, head_bytes=1000)
    async with serving(Recorder(), limits) as server, connected(server) as connection:
        for _ in range(3):
            assert (await connection.ask(b"GET / HTTP/1.1\r\nx: " + b"a" * 900 + b"\r\n\r\n")).status == 200
        await connection.send(b"GET / HTTP/1.1\r\nx: " + b"a" * 500)
        assert (await connection.ask(b"a" * 500)).status == 431


@pytest.mark.parametrize(("count", "status"), [(96, 200), (97, 431)])
async def test_the_number_of_fields_is_bounded(count: int, status: int) -> None:
    assert (await ask_once(b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * count + b"\r\n")).status == status


# Framing: two readers must not understand one stream differently


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"garbage\r\n\r\n",
        b"GET / HTTP/3.0\r\n\r\n",
        b"GET /\r\n\r\n",
        b"get / HTTP/1.1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET http:// HTTP/1.1\r\n\r\n",
        b"GET http://kbs HTTP/1.1\r\n\r\n",
        b"CONNECT kbs:443 HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\nhost: kbs\n\n",
        b"GET / HTTP/1.1\r\nhost : kbs\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: kbs\r\n folded: x\r\n\r\n\0",
        b"GET / HTTP/1.1\r\nh\0st: kbs\r\n\r\n",
        b"GET / HTTP/1.1\r\n: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nx: a\0b\r\n\r\n",
        b"GET / HTTP/1.1\r\nx: a\rb\r\n\r\n",
        post(b"abc", b"transfer-encoding: chunked"),
        chunked(b"0", b"", b"", fields=b"content-length: 3\r\n"),
        post(b"abc", b"content-length: 3"),
        post(b"abc", b"content-length: 4"),
        b"POST / HTTP/1.1\r\ncontent-length: 3, 3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\ncontent-length: +3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\ncontent-length: -3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\ncontent-length: 0x3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\ncontent-length: 3 3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\ncontent-length: \r\n\r\nabc",
        b"POST / HTTP/1.1\r\ncontent-length: 99999999999999999999999\r\n\r\nabc",
        b"POST / HTTP/1.1\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: identity\r\n\r\nabc",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        chunked(b"x", b"abc"),
        chunked(b"-1", b"abc"),
        chunked(b"3", b"abcd", b"0", b"", b""),
        chunked(b"ffffffffffffffffff", b"abc"),
        chunked(b"3\n", b"abc"),
    ],
)
async def test_a24_what_can_be_understood_in_two_ways_is_refused(request_bytes: bytes) -> None:
    seen = Recorder()
    async with serving(seen) as server, connected(server) as connection:
        answer = await connection.ask(request_bytes)
        assert (answer.status, answer.body, answer.headers["connection"]) == (400, b"", "close")
        assert set(answer.headers) == {"date", "content-length", "connection"}
        assert await connection.rest() == b""
    assert seen.requests == []


@pytest.mark.parametrize("part", [b"1;" + b"x" * 300_000, b"0\r\n" + b"a: " + b"x" * 300_000])
async def test_a24_a_chunked_body_of_extensions_or_trailers_is_refused(part: bytes) -> None:
    seen = Recorder()
    answer = await ask_once(chunked(b"3", b"abc", part), handler=seen)
    assert answer.status == 400
    assert seen.requests == []


@pytest.mark.parametrize("split", [False, True])
async def test_a24_the_body_of_an_upgrade_is_a_body_and_nothing_behind_it_a_request(split: bool) -> None:  # noqa: FBT001
    seen = Recorder()
    smuggled = b"GET /smuggled HTTP/1.1\r\n\r\n"
    request = post(b"0123456789", b"connection: upgrade", b"upgrade: h2c")
    async with serving(seen) as server, connected(server) as connection:
        await connection.send(request[:-5] if split else request + smuggled)
        if split:
            await asyncio.sleep(0.02)
            await connection.send(request[-5:] + smuggled)
        answer = await connection.answer()
        assert (answer.body, answer.headers["connection"]) == (b"10 bytes", "close")
        assert await connection.rest() == b""
    assert [request.path for request in seen.requests] == ["/"]
    assert seen.requests[0].body == b"0123456789"


async def test_an_upgrade_without_a_body_is_answered_as_if_it_had_not_been_asked_for() -> None:
    answer = await ask_once(b"GET / HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
    assert (answer.status, answer.headers["connection"]) == (200, "close")


async def test_an_upgrade_beside_a_chunked_body_is_refused() -> None:
    fields = b"connection: upgrade\r\nupgrade: h2c\r\n"
    assert (await ask_once(chunked(b"3", b"abc", b"0", b"", b"", fields=fields))).status == 400


# Pipelining


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with serving(Gate()) as server:
        gate = server._handler
        assert isinstance(gate, Gate)
        async with connected(server) as connection:
            await connection.send(GET % b"1" + GET % b"2" + GET % b"3")
            await asyncio.wait_for(gate.entered.wait(), 30)
            assert gate.paths == ["/1"]
            gate.open.set()
            assert [(await connection.answer()).body for _ in range(3)] == [b"/1", b"/2", b"/3"]


@pytest.mark.parametrize("bad", [b"garbage\r\n\r\n", b"GET / HTTP/1.1\r\nx: " + b"a" * 2000, (GET % b"q") * 18])
async def test_a_refusal_waits_for_the_answer_before_it(bad: bytes) -> None:
    gate = Gate()
    async with serving(gate, replace(PATIENT, head_bytes=1000)) as server, connected(server) as connection:
        await connection.send(GET % b"1" + bad)
        await asyncio.wait_for(gate.entered.wait(), 30)
        gate.open.set()
        answer = await connection.answer()
        assert (answer.body, answer.headers["connection"]) == (b"/1", "close")
        assert await connection.rest() == b""
    assert gate.paths == ["/1"]


async def test_sixteen_requests_may_wait() -> None:
    gate = Gate()
    gate.open.set()
    async with serving(gate) as server, connected(server) as connection:
        await connection.send((GET % b"q") * 17)
        assert [(await connection.answer()).status for _ in range(17)] == [200] * 17


# Time


async def test_a_slow_head_is_closed_without_a_word() -> None:
    seen = Recorder()
    limits = replace(PATIENT, head_seconds=0.1)
    async with serving(seen, limits) as server:
        for start in (b"", b"GET / HT", b"GET / HTTP/1.1\r\nhost: kbs\r\n", b"\r\n\r\n"):
            async with connected(server) as connection:
                await connection.send(start)
                assert await connection.rest() == b""
    assert seen.requests == []


async def test_a_head_that_trickles_has_one_deadline() -> None:
    async with serving(Recorder(), replace(PATIENT, head_seconds=0.2)) as server, connected(server) as connection:
        await connection.send(b"GET / HTTP/1.1\r\n")

        async def trickle() -> None:
            while True:
                await connection.send(b"x: y\r\n")
                await asyncio.sleep(0.02)

        sender = asyncio.create_task(trickle())
        with contextlib.suppress(ConnectionResetError):
            assert await connection.rest() == b""
        sender.cancel()


async def test_a_later_slow_head_is_closed_too() -> None:
    limits = replace(PATIENT, head_seconds=0.1)
    async with serving(Recorder(), limits) as server, connected(server) as connection:
        assert (await connection.ask(GET % b"")).status == 200
        await connection.send(b"GET /")
        assert await connection.rest() == b""


async def test_an_idle_connection_is_closed() -> None:
    limits = replace(PATIENT, keep_alive_seconds=0.1)
    async with serving(Recorder(), limits) as server, connected(server) as connection:
        assert (await connection.ask(GET % b"")).status == 200
        assert await connection.rest() == b""


@pytest.mark.parametrize(
    "start",
    [
        b"POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nab",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nab",
        b"POST / HTTP/1.1\r\ncontent-length: 3\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\nab",
    ],
)
async def test_a_slow_body_is_refused(start: bytes) -> None:
    seen = Recorder()
    limits = replace(PATIENT, body_seconds=0.1)
    async with serving(seen, limits) as server, connected(server) as connection:
        answer = await connection.ask(start)
        assert (answer.status, answer.body, answer.headers["connection"]) == (408, b"", "close")
        assert await connection.rest() == b""
    assert seen.requests == []


async def test_a_handler_has_longer_than_a_head_and_so_has_what_waits_behind_it() -> None:
    gate = Gate()
    limits = replace(PATIENT, head_seconds=0.5)
    async with serving(gate, limits) as server, connected(server) as connection:
        await connection.send(GET % b"1")
        await asyncio.wait_for(gate.entered.wait(), 30)
        await connection.send(b"GET /2 HTT")
        await asyncio.sleep(0.8)
        gate.open.set()
        assert (await connection.answer()).body == b"/1"
        assert (await connection.ask(b"P/1.1\r\n\r\n")).body == b"/2"


async def test_a_handler_out_of_time_closes_its_connection() -> None:
    limits = replace(PATIENT, handler_seconds=0.05)
    async with serving(Gate(), limits) as server, connected(server) as connection:
        answer = await connection.ask(GET % b"")
        assert (answer.status, answer.body, answer.headers["connection"]) == (503, b"", "close")
        assert await connection.rest() == b""


# Peers that do not read, and answers to those that still send


async def test_a_peer_that_does_not_read_is_cut_off() -> None:
    async def large(_: Request) -> Response:
        return Response(200, bytes(32 * 1024 * 1024))

    async with serving(large, replace(PATIENT, write_seconds=0.1)) as server, connected(server) as connection:
        await connection.send(GET % b"1" + GET % b"2")
        state = server._state
        assert state is not None
        while not state.connections:  # noqa: ASYNC110  # the server under test has no event for it
            await asyncio.sleep(0.005)
        while state.connections or state.tasks:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_the_next_answer_waits_until_the_peer_has_read_the_one_before() -> None:
    large, ready = bytes(8 * 1024 * 1024), asyncio.Event()

    async def handler(request: Request) -> Response:
        if request.path == "/2":
            ready.set()
        return Response(200, large)

    async with serving(handler) as server, connected(server) as connection:
        await connection.send(GET % b"1" + GET % b"2")
        await asyncio.wait_for(ready.wait(), 30)
        await asyncio.sleep(0.05)
        assert server._state is not None
        (served,) = server._state.connections
        assert served.transport._inner.get_write_buffer_size() <= len(large)
        assert [len((await connection.answer()).body) for _ in range(2)] == [len(large)] * 2


async def test_a_peer_that_goes_away_without_reading_leaves_nothing_behind() -> None:
    async def large(_: Request) -> Response:
        return Response(200, bytes(32 * 1024 * 1024))

    async with serving(large) as server:
        async with connected(server) as connection:
            await connection.send(GET % b"1" + GET % b"2")
            await asyncio.sleep(0.05)
            connection.writer.transport.abort()
        assert server._state is not None
        while server._state.connections or server._state.tasks:  # noqa: ASYNC110  # the server has no event for it
            await asyncio.sleep(0.005)


async def test_a_peer_that_reads_slowly_gets_all() -> None:
    async def large(_: Request) -> Response:
        return Response(200, bytes(8 * 1024 * 1024))

    async with serving(large) as server, connected(server) as connection:
        await connection.send(GET % b"")
        await asyncio.sleep(0.1)
        assert len((await connection.answer()).body) == 8 * 1024 * 1024


async def test_a_peer_that_sends_on_can_read_why_it_was_refused() -> None:
    body = bytes(8 * 1024 * 1024)
    async with serving(Recorder()) as server, connected(server) as connection:
        await connection.send(post(body))
        answer = await connection.answer()
        assert (answer.status, answer.body) == (413, b"payload reached size limit")
        assert await connection.rest() == b""


async def test_a_peer_that_never_stops_sending_is_cut_off() -> None:
    limits = replace(PATIENT, linger_seconds=0.1)
    async with serving(Recorder(), limits) as server, connected(server) as connection:
        assert (await connection.ask(b"POST / HTTP/1.1\r\ncontent-length: 100000000\r\n\r\n")).status == 413

        async def send_for_ever() -> None:
            while True:
                await connection.send(bytes(1000))
                await asyncio.sleep(0.001)

        with pytest.raises(OSError, match=r"."):
            await asyncio.wait_for(send_for_ever(), 30)


# Connections


async def test_one_connection_too_many_is_turned_away() -> None:
    limits = replace(PATIENT, max_connections=1)
    async with serving(Recorder(), limits) as server, connected(server) as first:
        assert (await first.ask(GET % b"")).status == 200
        async with connected(server) as second:
            answer = await second.answer()
            assert (answer.status, answer.body, answer.headers["connection"]) == (503, b"", "close")
            assert await second.rest() == b""
        assert (await first.ask(GET % b"")).status == 200


async def test_connections_leave_descriptors_for_everything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (4, 4))
    async with serving(Recorder()) as server, contextlib.AsyncExitStack() as opened:
        for _ in range(3):
            await opened.enter_async_context(connected(server))
        fourth = await opened.enter_async_context(connected(server))
        assert (await fourth.answer()).status == 503


async def test_unlimited_descriptors_leave_the_configured_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (-1, -1))
    limits = replace(PATIENT, max_connections=1)
    async with serving(Recorder(), limits) as server, connected(server), connected(server) as second:
        assert (await second.answer()).status == 503


async def test_a_peer_that_leaves_does_not_disturb_the_others() -> None:
    gate = Gate()
    async with serving(gate) as server:
        async with connected(server) as leaving:
            await leaving.send(GET % b"1" + GET % b"2")
            await asyncio.wait_for(gate.entered.wait(), 30)
        gate.open.set()
        async with connected(server) as staying:
            assert (await staying.ask(GET % b"3")).status == 200


# Starting and stopping


@pytest.mark.parametrize(
    "address",
    [
        "",
        "8080",
        "localhost:8080",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:x",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1:\u0663",
        "256.0.0.1:80",
        "::1:80",
        "[127.0.0.1]:80",
        "[::1:80",
        "unix:///run/kbs.sock",
    ],
)
async def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigError) as refused:
        await Server(Recorder(), sockets=[address]).start()
    assert refused.value.code == "LISTEN-ADDRESS"
    assert repr(address) in refused.value.message


async def test_an_address_in_use_is_refused_with_advice() -> None:
    async with serving(Recorder()) as server:
        with pytest.raises(ConfigError) as refused:
            await Server(Recorder(), sockets=["127.0.0.1:0", server.addresses[0]]).start()
    assert refused.value.code == "LISTEN"
    assert refused.value.message == f"cannot listen on {server.addresses[0]}: Address already in use"
    assert refused.value.advice == "another program has this port: stop it, or choose another"


async def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ConfigError) as refused:
        await Server(Recorder(), sockets=["192.0.2.1:0"]).start()
    assert (refused.value.code, refused.value.advice) == ("LISTEN", "")


async def test_stopping_lets_a_running_request_end() -> None:
    gate = Gate()
    server = serving(gate)
    await server.start()
    async with connected(server) as connection:
        await connection.send(GET % b"1")
        await asyncio.wait_for(gate.entered.wait(), 30)
        stopping = asyncio.create_task(server.stop(30))
        await asyncio.sleep(0.02)
        gate.open.set()
        answer = await connection.answer()
        assert (answer.body, answer.headers["connection"]) == (b"/1", "close")
        await stopping


async def test_stopping_ends_what_does_not_end() -> None:
    gate = Gate()
    server = serving(gate)
    await server.start()
    async with connected(server) as connection:
        await connection.send(GET % b"1")
        await asyncio.wait_for(gate.entered.wait(), 30)
        await server.stop(0.05)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await connection.answer()


async def test_after_stopping_nobody_listens() -> None:
    server = serving(Recorder())
    await server.start()
    async with connected(server) as idle:
        assert (await idle.ask(GET % b"")).status == 200
        await server.stop()
        assert await idle.rest() == b""
    with pytest.raises(ConnectionRefusedError):
        async with connected(server):
            pass


async def test_a_server_that_was_not_started_can_be_stopped() -> None:
    await serving(Recorder()).stop()


async def test_serve_forever_starts_and_ends_with_stop() -> None:
    server = serving(Recorder())
    task = asyncio.create_task(server.serve_forever())
    while not server.addresses:  # noqa: ASYNC110  # the server under test has no event for it
        await asyncio.sleep(0.005)
    async with connected(server) as connection:
        assert (await connection.ask(GET % b"")).status == 200
    await server.stop()
    await asyncio.wait_for(task, 30)


async def test_serve_forever_stops_when_it_is_cancelled() -> None:
    server = serving(Recorder())
    await server.start()
    task = asyncio.create_task(server.serve_forever())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ConnectionRefusedError):
        async with connected(server):
            pass


async def test_the_date_is_kept_current(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("email.utils.formatdate", lambda **_: "Wed, 25 Nov 2026 15:00:00 GMT")
    async with serving(Recorder()) as server, connected(server) as connection:
        monkeypatch.setattr("email.utils.formatdate", lambda **_: "Wed, 25 Nov 2026 15:00:01 GMT")
        assert server._state is not None
        server._update_date(server._state)
        assert (await connection.ask(GET % b"")).headers["date"] == "Wed, 25 Nov 2026 15:00:01 GMT"


def test_limits_are_those_of_the_design() -> None:
    assert Limits() == Limits(
        head_bytes=131_072, head_fields=96, body_bytes=2_097_152, head_seconds=5, body_seconds=30,
        keep_alive_seconds=5, handler_seconds=60, write_seconds=30, linger_seconds=2, max_connections=4096,
    )  # fmt: skip
