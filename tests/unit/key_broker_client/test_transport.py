"""The transport over real sockets: bounded in time and size, no redirects, an extra root."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from key_broker_client import transport as module
from key_broker_client.errors import BrokerAnswerError, BrokerUnreachableError
from key_broker_client.transport import HttpTransport, TransportSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def server(*answers: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Answer each request with the next bytes; none left: stay silent."""
    waiting, heads = list(answers), list[bytes]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                heads.append(await reader.readuntil(b"\r\n\r\n"))
                if waiting:
                    writer.write(waiting.pop(0))
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/", heads
    finally:
        listener.close()


def answer(status: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def get(url: str, seconds: float = 5) -> module.Answer:
    http = HttpTransport(TransportSettings(url, timeout=seconds))
    try:
        return await http.send("GET", "/kbs/v0/x?y=%2f", headers={"cookie": "kbs-session-id=a"})
    finally:
        await http.close()


async def test_an_answer_comes_with_its_cookies() -> None:
    async with server(answer("200 OK", b"body", "set-cookie: a=1", "set-cookie: b=2; Expires=x")) as (url, heads):
        got = await get(url)
    assert (got.status, got.body, got.cookies) == (200, b"body", ("a=1", "b=2; Expires=x"))
    head = heads[0].decode().lower()
    assert head.startswith("get /kbs/v0/x?y=%2f http/1.1\r\n")
    assert "user-agent: attestation-agent-kbs-client/0.1.0\r\n" in head
    assert "cookie: kbs-session-id=a\r\n" in head


async def test_one_connection_serves_many_requests() -> None:
    async with server(answer("200 OK"), answer("404 Not Found")) as (url, heads):
        http = HttpTransport(TransportSettings(url))
        statuses = [(await http.send("POST", "/p", body=b"", headers={})).status for _ in range(2)]
        await http.close()
        await http.close()
    assert statuses == [200, 404]
    assert len(heads) == 2


async def test_a_redirect_is_not_followed() -> None:
    async with server(answer("307 Temporary Redirect", b"", "location: http://127.0.0.1:1/")) as (url, _):
        assert (await get(url)).status == 307


async def test_a24_an_answer_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ANSWER", 1000)
    async with server(answer("200 OK", b"x" * 1001)) as (url, _):
        with pytest.raises(BrokerAnswerError) as caught:
            await get(url)
    assert caught.value.code == "BROKER-ANSWER"


async def test_silence_ends_in_time() -> None:
    async with server() as (url, _):
        with pytest.raises(BrokerUnreachableError) as caught:
            await get(url, seconds=0.1)
    assert caught.value.code == "BROKER-TIMEOUT"


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://[::1", "ftp://127.0.0.1", "127.0.0.1:8080"])
async def test_what_cannot_be_reached_is_said_to_be_so(url: str) -> None:
    with pytest.raises(BrokerUnreachableError) as caught:
        await get(url)
    assert caught.value.code == "BROKER-UNREACHABLE"


async def test_a_peer_that_speaks_another_protocol_is_no_broker() -> None:
    async with server(b"SSH-2.0-OpenSSH\r\n\r\n") as (url, _):
        with pytest.raises(BrokerUnreachableError):
            await get(url)


async def test_an_extra_root_must_be_pem() -> None:
    http = HttpTransport(TransportSettings("https://127.0.0.1:1", extra_root_pem="no certificate"))
    with pytest.raises(BrokerUnreachableError) as caught:
        await http.send("GET", "/", headers={})
    assert caught.value.code == "BROKER-ROOT"
