"""A24: requests made to exhaust the reader. The edge refuses them in bounded memory, and its log names the code."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import tracemalloc
import zlib
from typing import TYPE_CHECKING

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard
from attestack_common.http_server import Request, Response, Server
from attestack_common.logs.lines import FIELDS
from attestation_protocol.encoding import MAX_JSON_DEPTH, parse_json
from attestation_protocol.errors import EncodingError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

MEBIBYTE = 1024 * 1024
WAIT = 60.0

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": lambda data: bytes(brotli.compress(data, quality=5)),
    "zstd": zstandard.compress,
}


async def parse(request: Request) -> Response:
    """Read the body as a service does."""
    try:
        parse_json(request.body)
    except EncodingError as error:
        return Response(401, error.code.encode())
    return Response(200, b"read")


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server(parse, sockets=["127.0.0.1:0"]) as serving:
        yield serving


async def opened(server: Server) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = server.addresses[0].rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def status_and_body(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), WAIT)).decode()
    length = int(head.lower().partition("content-length: ")[2].split("\r\n")[0])
    return int(head.split()[1]), await asyncio.wait_for(reader.readexactly(length), WAIT)


async def ask(server: Server, data: bytes) -> tuple[int, bytes]:
    reader, writer = await opened(server)
    try:
        writer.write(data)
        return await status_and_body(reader)
    finally:
        writer.close()


async def flood(server: Server, start: bytes, piece: bytes) -> tuple[int, bytes]:
    """Send `piece` over and over, a hundred mebibytes if nobody objects; return the answer."""
    reader, writer = await opened(server)
    answer = asyncio.create_task(status_and_body(reader))
    try:
        writer.write(start)
        for _ in range(100 * MEBIBYTE // len(piece)):
            if answer.done():
                break
            writer.write(piece)
            await writer.drain()
        return await asyncio.wait_for(answer, WAIT)
    finally:
        writer.close()


def codes(caplog: pytest.LogCaptureFixture) -> list[str]:
    fields = [getattr(record, FIELDS) for record in caplog.records if record.message == "request refused"]
    return [field["error"].code for field in fields]


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"GET / HTTP/1.1\r\nx: ", b"a" * 65_536),
        (b"GET / HTTP/1.1\r\n", b"x: y\r\n" * 1000),
        (b"GET / HTTP/1.1\r\n", b"name-" * 10_000),
        (b"GET /", b"a" * 65_536),
        (b"GET /?", b"a=b&" * 16_384),
    ],
    ids=["long value", "many fields", "long name", "long path", "long query"],
)
async def test_a24_an_endless_head_is_refused(
    server: Server, caplog: pytest.LogCaptureFixture, start: bytes, piece: bytes
) -> None:
    tracemalloc.start()
    try:
        with caplog.at_level(logging.INFO):
            assert await flood(server, start, piece) == (431, b"")
        assert tracemalloc.get_traced_memory()[1] < 8 * MEBIBYTE
    finally:
        tracemalloc.stop()
    assert codes(caplog) == ["HTTP-HEAD"]


async def test_a24_an_announced_body_of_100_megabytes_is_refused_before_it_is_sent(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        answer = await ask(server, b"POST / HTTP/1.1\r\ncontent-length: 104857600\r\n\r\n")
    assert answer == (413, b"payload reached size limit")
    assert codes(caplog) == ["HTTP-BODY-SIZE"]


async def test_a24_a_body_of_100_megabytes_in_chunks_is_refused_at_the_limit(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    tracemalloc.start()
    try:
        with caplog.at_level(logging.INFO):
            answer = await flood(server, b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", chunk)
        assert tracemalloc.get_traced_memory()[1] < 12 * MEBIBYTE
    finally:
        tracemalloc.stop()
    assert answer == (413, b"payload reached size limit")
    assert codes(caplog) == ["HTTP-BODY-SIZE"]


@pytest.mark.parametrize("part", [b"1;" + b"x" * 65_534, b"0\r\nx: " + b"x" * 65_530], ids=["extension", "trailer"])
async def test_a24_an_endless_chunk_extension_or_trailer_is_refused(
    server: Server, caplog: pytest.LogCaptureFixture, part: bytes
) -> None:
    with caplog.at_level(logging.INFO):
        start = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n" + part
        assert await flood(server, start, b"x" * 65_536) == (400, b"")
    assert codes(caplog) == ["HTTP-SYNTAX"]


@pytest.mark.parametrize("encoding", COMPRESS)
async def test_a24_a_compression_bomb_is_refused_at_the_limit(
    server: Server, caplog: pytest.LogCaptureFixture, encoding: str
) -> None:
    bomb = COMPRESS[encoding](bytes(256 * MEBIBYTE))
    assert len(bomb) < 2 * MEBIBYTE
    head = f"POST / HTTP/1.1\r\ncontent-encoding: {encoding}\r\ncontent-length: {len(bomb)}\r\n\r\n".encode()
    tracemalloc.start()
    try:
        with caplog.at_level(logging.INFO):
            assert await ask(server, head + bomb) == (413, b"payload reached size limit")
        assert tracemalloc.get_traced_memory()[1] < 16 * MEBIBYTE
    finally:
        tracemalloc.stop()
    assert codes(caplog) == ["HTTP-BODY-SIZE"]


async def test_a24_what_only_claims_to_be_gzip_is_refused(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        answer = await ask(server, b"POST / HTTP/1.1\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}")
    assert answer == (
        400,
        b'payload reached EOF before completing: Some(Custom { kind: InvalidInput, error: "invalid gzip header" })',
    )
    assert codes(caplog) == ["HTTP-BODY-ENCODING"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"[" * MEBIBYTE, b"JSON-DEPTH"),
        (b'{"a":' * 400_000, b"JSON-DEPTH"),
        (b"[" * (MAX_JSON_DEPTH + 1) + b"]" * (MAX_JSON_DEPTH + 1), b"JSON-DEPTH"),
        (b'{"nonce":"a","nonce":"b"}', b"JSON-DUPLICATE"),
        (b'{"nonce":"a","\\u006eonce":"b"}', b"JSON-DUPLICATE"),
        (b'"\\ud800"', b"JSON-SURROGATE"),
        (b'"\xff"', b"JSON-UTF8"),
        (b"1" * 5000, b"JSON-NUMBER"),
        (b"NaN", b"JSON"),
    ],
    ids=["arrays", "objects", "one too deep", "twice", "twice, escaped", "surrogate", "not UTF-8", "digits", "NaN"],
)
async def test_a24_json_made_to_exhaust_or_confuse_is_refused(server: Server, body: bytes, code: bytes) -> None:
    head = b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(body)
    assert await ask(server, head + body) == (401, code)


async def test_a24_the_edge_serves_on_after_all_that(server: Server) -> None:
    for data in (b"garbage\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 1000 + b"\r\n"):
        assert (await ask(server, data))[0] in {400, 431}
    body = json.dumps({"version": "0.4.0"}).encode()
    assert await ask(server, b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(body) + body) == (200, b"read")
