"""Calls are bounded in size, number and time, and answered with a status whatever goes wrong."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from typing import TYPE_CHECKING, Any

import grpc  # type: ignore[import-untyped]
import pytest
from attestack_common.errors import ConfigError
from attestack_common.grpc_edge import GrpcServer, Limits, Service

from tests.unit.attestack_common.grpc_edge.echo import ECHO, NAME, WATCH, ask, calling, connected, serving
from tests.unit.attestack_common.grpc_edge.http2 import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    RST_STREAM,
    call_fields,
    frame,
    frames,
    hello,
    message,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


async def test_a_call_is_answered() -> None:
    async with serving() as (server, _), calling(server) as channel:
        assert await ask(channel, b"hello") == ("OK", b"hello")
        assert await ask(channel, b"") == ("OK", b"")


async def test_a_refusal_is_its_status_and_text() -> None:
    async with serving() as (server, _), calling(server) as channel:
        assert await ask(channel, b"refuse") == ("ABORTED", "no (ask otherwise) [TEST]")


async def test_a_text_that_is_too_long_for_a_header_keeps_its_end() -> None:
    async with serving() as (server, _), calling(server) as channel:
        status, text = await ask(channel, b"long")
    assert status == "ABORTED"
    assert text.startswith("üüü")
    assert text.endswith(" (ask otherwise) [TEST]")


async def test_what_fails_otherwise_is_internal_and_keeps_its_secrets(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as (server, _), calling(server) as channel:
        with caplog.at_level(logging.ERROR):
            assert await ask(channel, b"fail") == ("INTERNAL", "internal error [INTERNAL]")
    assert "a method failed" in caplog.messages


async def test_a_method_or_service_that_is_not_there_is_unimplemented() -> None:
    async with serving() as (server, _), calling(server) as channel:
        assert (await ask(channel, b"", f"/{NAME}/Nothing"))[0] == "UNIMPLEMENTED"
        assert (await ask(channel, b"", "/test.Other/Echo"))[0] == "UNIMPLEMENTED"


async def test_a_message_has_a_bound_to_the_byte() -> None:
    async with serving(message_bytes=100) as (server, _), calling(server) as channel:
        assert (await ask(channel, bytes(100)))[0] == "OK"
        assert (await ask(channel, bytes(101)))[0] == "RESOURCE_EXHAUSTED"


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_compressed_messages_are_not_taken(compression: Any) -> None:
    async with serving() as (server, _), calling(server) as channel:
        call = channel.unary_unary(ECHO)(bytes(2000), timeout=30, compression=compression)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_method_that_takes_too_long_is_ended() -> None:
    async with serving(handler_seconds=0.05) as (server, _), calling(server) as channel:
        assert await ask(channel, b"wait") == ("DEADLINE_EXCEEDED", "no answer within 0.05 s")
        assert await ask(channel, b"next") == ("OK", b"next")


async def test_more_methods_than_may_run_at_once_are_refused_at_once() -> None:
    async with serving(running_calls=2) as (server, echo), calling(server) as channel:
        waiting = [asyncio.create_task(ask(channel, b"wait")) for _ in range(2)]
        for _ in waiting:
            await echo.started.acquire()
        assert await ask(channel, b"one more") == ("RESOURCE_EXHAUSTED", "too many calls at once")
        echo.go_on.set()
        assert await asyncio.gather(*waiting) == [("OK", b"wait")] * 2
        assert await ask(channel, b"again") == ("OK", b"again")


async def test_a_call_without_a_message_is_refused() -> None:
    async with serving() as (server, _), connected(server) as (reader, writer):
        head = frame(HEADERS, call_fields(ECHO), flags=END_HEADERS | END_STREAM, stream=1)
        writer.write(hello() + head)
        assert await trailers(reader, stream=1) == (b"grpc-status\x0213", b"Missing request message.")


async def test_a_message_that_does_not_come_is_not_waited_for() -> None:
    async with serving(message_seconds=0.05) as (server, _), connected(server) as (reader, writer):
        part = message(b"hello")[:7]
        head = frame(HEADERS, call_fields(ECHO), flags=END_HEADERS, stream=1) + frame(DATA, part, stream=1)
        writer.write(hello() + head)
        assert await trailers(reader, stream=1) == (b"grpc-status\x014", b"no whole message within 0.05 s")


async def test_a_call_that_its_client_ends_stops_its_method() -> None:
    async with serving() as (server, echo), calling(server) as channel:
        call = channel.unary_unary(ECHO)(b"wait", timeout=30)
        await echo.started.acquire()
        assert server._running == 1
        call.cancel()
        await until(lambda: server._running == 0)


async def test_watchers_are_bounded() -> None:
    async with serving(watchers=1) as (server, echo), calling(server) as channel:
        first = channel.unary_stream(WATCH)(b"a")
        assert [await first.read() for _ in range(3)] == [b"a\0", b"a\1", b"a\2"]
        second = channel.unary_stream(WATCH)(b"b")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await second.read()
        assert (caught.value.code(), caught.value.details()) == (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "too many watchers at once",
        )
        first.cancel()
        await until(lambda: not server._watchers)
        refused = channel.unary_stream(WATCH)(b"refuse")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await refused.read()
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        echo.go_on.set()
        assert [each async for each in channel.unary_stream(WATCH)(b"c")] == [b"c\0", b"c\1", b"c\2"]


async def test_watchers_end_with_the_server_and_do_not_hold_it_up() -> None:
    async with serving() as (server, _), calling(server) as channel:
        watching = channel.unary_stream(WATCH)(b"a")
        assert [await watching.read() for _ in range(3)] == [b"a\0", b"a\1", b"a\2"]
        async with asyncio.timeout(30):
            await server.stop(3600)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await watching.read()
        assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.UNAVAILABLE, "the server ends")


async def test_stopping_lets_running_calls_end() -> None:
    async with serving() as (server, echo), calling(server) as channel:
        running = asyncio.create_task(ask(channel, b"wait"))
        await echo.started.acquire()
        stopping = asyncio.create_task(server.stop(10))
        await asyncio.sleep(0.05)
        assert not running.done()
        echo.go_on.set()
        assert await running == ("OK", b"wait")
        await stopping


async def test_stopping_ends_what_does_not_end() -> None:
    async with serving() as (server, echo), calling(server) as channel:
        running = asyncio.create_task(ask(channel, b"wait"))
        await echo.started.acquire()
        folder = server._folder
        assert folder.is_dir()
        await server.stop(0.05)
        assert (await running)[0] in {"UNAVAILABLE", "CANCELLED"}
        assert not folder.exists()


async def test_serving_for_ever_ends_with_the_task() -> None:
    async def echo(data: bytes) -> bytes:
        return data

    server = GrpcServer([Service(NAME, {"Echo": echo})], address="127.0.0.1:0")
    task = asyncio.create_task(server.serve_forever())
    await until(lambda: bool(server.address))
    async with calling(server) as channel:
        assert await ask(channel, b"x") == ("OK", b"x")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not server._folder.exists()


async def test_an_address_that_is_taken_stops_the_start() -> None:
    async with serving() as (server, _):
        other = GrpcServer([], address=server.address, limits=Limits())
        with pytest.raises(ConfigError) as caught:
            await other.start()
        assert caught.value.code == "LISTEN"
        assert not other._folder.exists()


async def test_a_folder_whose_name_is_too_long_for_a_socket_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with pytest.raises(ConfigError, match="too long for a socket") as caught:
        await GrpcServer([], address="127.0.0.1:0").start()
    assert caught.value.code == "GRPC-SOCKET"
    assert "TMPDIR" in caught.value.advice
    assert list(folder.iterdir()) == []


async def test_no_other_user_reaches_the_inner_socket() -> None:
    async with serving() as (server, _):
        assert server._folder.stat().st_mode & 0o777 == 0o700
        assert server._folder.stat().st_uid == os.getuid()


async def test_calls_that_break_off_leave_nothing_behind() -> None:
    async with serving() as (server, _), connected(server) as (reader, writer):
        calls = b"".join(
            frame(HEADERS, call_fields(ECHO), flags=END_HEADERS, stream=stream)
            + frame(RST_STREAM, bytes(3) + b"\x08", stream=stream)
            for stream in range(1, 101, 2)
        )
        writer.write(hello() + calls)
        last = frame(HEADERS, call_fields(ECHO), flags=END_HEADERS, stream=101)
        writer.write(last + frame(DATA, message(b"still here"), flags=END_STREAM, stream=101))
        assert (await trailers(reader, stream=101))[0] == b"grpc-status\x010"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0.005)


async def trailers(reader: asyncio.StreamReader, *, stream: int) -> tuple[bytes, bytes]:
    """The status of a call as it stands in its last header fields, and its text where there is one."""
    seen = b""
    async with asyncio.timeout(30):
        while True:
            data = await reader.read(65536)
            assert data, frames(seen)
            seen += data
            for kind, flags, number, payload in frames(seen):
                if kind == HEADERS and number == stream and flags & END_STREAM:
                    _, _, status = payload.partition(b"grpc-status")
                    _, _, text = payload.partition(b"grpc-message")
                    return b"grpc-status" + status[: 1 + status[0]], text[1 : 1 + text[0]] if text else b""
