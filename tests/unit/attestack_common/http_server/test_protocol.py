"""The protocol of one connection, fed by hand: how a stream is cut makes no difference, and no bytes break it."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from typing import Any

import httptools
import pytest
from attestack_common.http_server import Request, Response
from attestack_common.http_server.errors import SyntaxRefusedError
from attestack_common.http_server.protocol import EdgeProtocol, Shared
from attestack_common.http_server.reading import _reduced
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.attestack_common.http_server.edge import PATIENT

LIMITS = replace(PATIENT, head_bytes=400, head_fields=8, body_bytes=50)

GOOD = b"".join(
    (
        b"GET /1?a=b HTTP/1.1\r\nhost: kbs\r\ncookie: a\r\n\r\n",
        b"POST /2 HTTP/1.1\r\ncontent-length: 10\r\n\r\n0123456789",
        b"PUT /3 HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nlate: trailer\r\n\r\n",
        b"\r\nDELETE /4 HTTP/1.1\r\nconnection: upgrade\r\nupgrade: h2c\r\ncontent-length: 4\r\n\r\nbody",
        b"GET /5 HTTP/1.1\r\n\r\n",
    )
)
EXPECTED = [("GET", "/1", b""), ("POST", "/2", b"0123456789"), ("PUT", "/3", b"abcde"), ("DELETE", "/4", b"body")]


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name == "peername" else default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def handler_of_nothing(_: Request) -> Response:
    return Response()


async def test_a24_the_length_is_not_taken_twice_even_if_the_parser_reports_it_twice() -> None:
    protocol = EdgeProtocol(Shared(handler_of_nothing, LIMITS, asyncio.get_running_loop()))
    protocol.on_message_begin()
    protocol.on_header(b"Content-Length", b"3")
    with pytest.raises(SyntaxRefusedError) as refused:
        protocol.on_header(b"Transfer-Encoding", b"chunked")
    assert refused.value.message == "the length of the body is given twice"


def exchange(pieces: list[bytes]) -> tuple[list[tuple[str, str, bytes]], bytes]:
    """Return the requests that reached the handler, and what went back."""

    async def run() -> tuple[list[tuple[str, str, bytes]], bytes]:
        seen: list[tuple[str, str, bytes]] = []

        async def handler(request: Request) -> Response:
            assert request.header("late") is None
            seen.append((request.method, request.path, request.body))
            return Response(200, b"ok")

        shared, wire = Shared(handler, LIMITS, asyncio.get_running_loop()), Wire()
        protocol = EdgeProtocol(shared)
        protocol.connection_made(wire)
        for piece in pieces:
            protocol.data_received(piece)
            await asyncio.sleep(0)
        while shared.tasks:
            await asyncio.wait(set(shared.tasks), timeout=30)
        protocol.connection_lost(None)
        return seen, bytes(wire.written)

    return asyncio.run(run())


def cut(data: bytes, at: list[int]) -> list[bytes]:
    places = sorted({place % len(data) for place in at} | {0, len(data)}) if data else [0, 0]
    return [data[start:end] for start, end in itertools.pairwise(places)]


@given(st.lists(st.integers(min_value=0, max_value=1000), max_size=12))
def test_however_a_stream_is_cut_it_holds_the_same_requests(at: list[int]) -> None:
    seen, written = exchange(cut(GOOD, at))
    assert seen == EXPECTED
    assert written.count(b"HTTP/1.1 200 OK\r\n") == 4


def test_a_byte_at_a_time() -> None:
    assert exchange([bytes([byte]) for byte in GOOD])[0] == EXPECTED


@given(
    st.lists(st.integers(min_value=0, max_value=1000), max_size=4),
    st.lists(st.tuples(st.integers(min_value=0, max_value=len(GOOD) - 1), st.binary(max_size=6)), max_size=3),
)
def test_a24_a_damaged_stream_is_answered_or_closed(at: list[int], damage: list[tuple[int, bytes]]) -> None:
    data = bytearray(GOOD)
    for place, new in damage:
        data[place : place + len(new)] = new
    seen, written = exchange(cut(bytes(data), at))
    assert all(len(body) <= LIMITS.body_bytes for _, _, body in seen)
    assert not written or written.startswith(b"HTTP/1.1 ")
    assert b"Traceback" not in written


@given(st.binary(max_size=300), st.lists(st.integers(min_value=0, max_value=300), max_size=4))
def test_a24_any_bytes_are_answered_or_closed(data: bytes, at: list[int]) -> None:
    _, written = exchange(cut(data, at))
    assert not written or written.startswith(b"HTTP/1.1 ")


@pytest.mark.parametrize("size", [400, 401])
def test_the_bound_of_the_head_does_not_depend_on_the_cut(size: int) -> None:
    head = b"GET / HTTP/1.1\r\nx: " + b"a" * (size - 23) + b"\r\n\r\n"
    for at in ([], [1], [399], [400], [1, 200, 399]):
        written = exchange(cut(head, at))[1]
        assert written.startswith(b"HTTP/1.1 200 " if size == 400 else b"HTTP/1.1 431 ")


TARGET_BYTES = [bytes([byte]) for byte in range(256)] + [b"http://", b"//", b"/?", b"#", b"%2F", b"kbs:80"]


@given(st.lists(st.sampled_from(TARGET_BYTES), min_size=1, max_size=8).map(b"".join))
def test_a_target_is_reduced_as_the_parser_of_urls_does(target: bytes) -> None:
    def slowly() -> bytes:
        parts = httptools.parse_url(target)
        target.decode("ascii")
        if not parts.path:
            raise ValueError
        path: bytes = parts.path
        return path + b"?" + parts.query if parts.query else path

    if not all(0x21 <= byte != 0x7F for byte in target):
        return  # llhttp lets none of these through
    try:
        expected = slowly()
    except (httptools.HttpParserInvalidURLError, ValueError):
        with pytest.raises(SyntaxRefusedError):
            _reduced(target)
    else:
        assert _reduced(target) == expected


@pytest.mark.parametrize("octet", [*range(0x21), 0x7F, *range(0x80, 0x100)])
def test_a24_no_other_octet_gets_through_in_a_target(octet: int) -> None:
    seen, written = exchange([b"GET /a" + bytes([octet]) + b"b HTTP/1.1\r\n\r\n"])
    assert seen == []
    assert written.startswith(b"HTTP/1.1 400 Bad Request\r\n")
