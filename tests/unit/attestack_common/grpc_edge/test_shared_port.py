"""One port: gRPC and HTTP/1.1 clients are told apart by their first bytes, and neither keeps a connection for ever."""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import TYPE_CHECKING, Any

import pytest
from attestack_common.grpc_edge import shared_port
from attestack_common.http_server.tls import server_context

from tests.conformance.test_as_recordings import make_signer
from tests.unit.attestack_common.grpc_edge.echo import ECHO, ask, calling, connected, rest, serving
from tests.unit.attestack_common.grpc_edge.http2 import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PREFACE,
    SETTINGS,
    WINDOW_UPDATE,
    call_fields,
    frame,
    frames,
    hello,
    message,
)
from tests.unit.attestack_common.grpc_edge.test_server import trailers, until

if TYPE_CHECKING:
    from pathlib import Path

    from attestack_common.grpc_edge import GrpcServer

GET = b"GET /page HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
CALL = frame(HEADERS, call_fields(ECHO), flags=END_HEADERS, stream=1)
CALL += frame(DATA, message(b"hello"), flags=END_STREAM, stream=1)


async def test_both_are_served_on_one_port() -> None:
    async with serving() as (server, _), calling(server) as channel:
        assert await ask(channel, b"hello") == ("OK", b"hello")
        async with connected(server) as (reader, writer):
            writer.write(GET)
            answer = await rest(reader)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.endswith(b"\r\n\r\nGET /page")
        assert await ask(channel, b"again") == ("OK", b"again")


async def test_http_clients_may_keep_their_connection() -> None:
    async with serving() as (server, _), connected(server) as (reader, writer):
        for _ in range(3):
            writer.write(b"GET /page HTTP/1.1\r\nhost: x\r\n\r\n")
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            assert await reader.readexactly(9) == b"GET /page"


async def test_without_an_http_handler_such_clients_are_closed() -> None:
    async with serving(http=False) as (server, _):
        async with connected(server) as (reader, writer):
            writer.write(GET)
            assert await rest(reader) == b""
        async with calling(server) as channel:
            assert (await ask(channel, b"hello"))[0] == "OK"


@pytest.mark.parametrize("size", [1, 3, 14, 23])
async def test_the_first_bytes_may_come_one_by_one(size: int) -> None:
    async with serving() as (server, _), connected(server) as (reader, writer):
        whole = hello() + CALL
        for start in range(0, len(PREFACE), size):
            writer.write(whole[start : min(start + size, len(PREFACE))])
            await writer.drain()
            await asyncio.sleep(0.002)
        writer.write(whole[len(PREFACE) :])
        assert (await trailers(reader, stream=1))[0] == b"grpc-status\x010"


@pytest.mark.parametrize("first", [b"PRI * HTTP/2.0\r\n\r\nXX", b"PRI *", b"P", b""])
async def test_a_connection_that_does_not_say_what_it_speaks_is_closed(first: bytes) -> None:
    async with serving(preface_seconds=0.05) as (server, _), connected(server) as (reader, writer):
        writer.write(first)
        answer = await rest(reader)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")


async def test_what_looks_like_http2_and_is_not_gets_an_answer_of_http() -> None:
    async with serving() as (server, _), connected(server) as (reader, writer):
        writer.write(b"PRI * HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await rest(reader)).startswith(b"HTTP/1.1 ")


async def test_a_client_that_ends_before_its_first_bytes_is_forgotten() -> None:
    async with serving() as (server, _):
        async with connected(server) as (reader, writer):
            writer.write_eof()
            assert await rest(reader) == b""
        await until(lambda: not server._port._open)


async def test_a_client_may_end_its_side_once_it_has_asked() -> None:
    async with serving() as (server, _), connected(server) as (reader, writer):
        writer.write(GET)
        writer.write_eof()
        assert b"GET /page" in await rest(reader)


async def test_one_connection_more_than_there_is_room_for_is_closed(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(max_connections=2) as (server, _):
        async with connected(server) as (_, first), connected(server) as (_, second):
            for writer in (first, second):
                writer.write(hello())
            await until(lambda: len(server._port._open) == 2)
            async with connected(server) as (reader, _):
                assert await rest(reader) == b""
        assert "a connection is refused" in caplog.messages
        await until(lambda: not server._port._open)
        async with calling(server) as channel:
            assert (await ask(channel, b"hello"))[0] == "OK"


async def test_large_messages_go_through_both_halves() -> None:
    data = bytes(range(256)) * 12_000
    async with serving() as (server, _), calling(server, **{"grpc.max_receive_message_length": -1}) as channel:
        assert await ask(channel, data) == ("OK", data)
        assert await asyncio.gather(*(ask(channel, data) for _ in range(4))) == [("OK", data)] * 4


async def unread(server: GrpcServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Any:
    """Ask for more than a socket holds, and read none of it; return the port's side of the connection."""
    wide = frame(SETTINGS, b"\0\x04\x7f\xff\xff\xff") + frame(WINDOW_UPDATE, b"\x7f\xff\0\0")
    writer.write(PREFACE + wide)
    reader._transport.pause_reading()  # type: ignore[attr-defined]
    for stream in range(1, 41, 2):
        writer.write(frame(HEADERS, call_fields(ECHO), flags=END_HEADERS, stream=stream))
        writer.write(frame(DATA, message(b"big"), flags=END_STREAM, stream=stream))
    await asyncio.sleep(0.5)
    (accepted,) = server._port._open
    return accepted._transport


async def test_a_peer_that_does_not_read_stops_what_is_written_to_it() -> None:
    async with serving() as (server, _), connected(server) as (reader, writer):
        transport = await unread(server, reader, writer)
        assert 0 < transport.get_write_buffer_size() < 1_000_000
        async with calling(server) as channel:
            assert (await ask(channel, b"others are served"))[0] == "OK"
        writer.transport.abort()


async def test_a_peer_that_never_reads_does_not_hold_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_port, "LAST_SECONDS", 0.05)
    async with serving() as (server, _), connected(server) as (reader, writer):
        transport = await unread(server, reader, writer)
        (accepted,) = server._port._open
        assert accepted._inner is not None
        accepted._inner._transport.close()  # as grpcio does when its pings are not answered
        await until(lambda: not server._port._open)
        assert transport.is_closing()
        writer.transport.abort()


async def test_a_splice_that_fails_closes_the_connection(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as (server, _):
        (server._folder / "grpc").unlink()
        async with connected(server) as (reader, writer):
            writer.write(hello())
            assert await rest(reader) == b""
        assert "a connection cannot be passed on" in caplog.messages
        await until(lambda: not server._port._open)
    monkeypatch.undo()


@pytest.fixture
def contexts(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext, bytes]:
    """Server and client sides of TLS, and the certificate."""
    key, chain = tmp_path / "tls.key", tmp_path / "tls.pem"
    make_signer(key, chain)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    return server_context(chain, key), client, chain.read_bytes()


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [(["h2"], "h2"), (["http/1.1"], "http/1.1"), (["h2", "http/1.1"], "http/1.1"), ([], None)],
)
async def test_tls_ends_at_the_port_and_prefers_http1_where_it_is_offered(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext, bytes], offered: list[str], chosen: str | None
) -> None:
    server_side, client_side, _ = contexts
    if offered:
        client_side.set_alpn_protocols(offered)
    async with serving(tls=server_side) as (server, _), connected(server, tls=client_side) as (reader, writer):
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == chosen
        if chosen == "h2":
            writer.write(hello() + CALL)
            assert (await trailers(reader, stream=1))[0] == b"grpc-status\x010"
        else:
            writer.write(GET)
            assert b"GET /page" in await rest(reader)


async def test_without_an_http_handler_tls_offers_http2_alone(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext, bytes],
) -> None:
    server_side, client_side, _ = contexts
    client_side.set_alpn_protocols(["http/1.1", "h2"])
    async with (
        serving(http=False, tls=server_side) as (server, _),
        connected(server, tls=client_side) as (_, writer),
    ):
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"


async def test_a_handshake_that_does_not_end_is_cut_off(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "asyncio")
    async with serving(tls=contexts[0], preface_seconds=0.1) as (server, _), connected(server) as (reader, _):
        assert await rest(reader) == b""


def test_the_preface_is_that_of_the_specification() -> None:
    assert shared_port.PREFACE == PREFACE
    assert frames(hello())[-1:] == []
