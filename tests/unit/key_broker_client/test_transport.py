"""The transport over real sockets: bounded in time and size, no redirects, an extra root."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from key_broker_client import transport as module
from key_broker_client.errors import BrokerAnswerError, BrokerSettingsError, BrokerUnreachableError
from key_broker_client.transport import HttpTransport, TransportSettings, is_private, shown_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@asynccontextmanager
async def server(*answers: bytes, context: ssl.SSLContext | None = None) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Answer each request with the next bytes; none left: stay silent."""
    waiting, heads = list(answers), list[bytes]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                heads.append(await reader.readuntil(b"\r\n\r\n"))
                if waiting:
                    writer.write(waiting.pop(0))
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
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


async def test_what_cannot_be_reached_is_said_to_be_so() -> None:
    with pytest.raises(BrokerUnreachableError) as caught:
        await get("http://127.0.0.1:1")
    assert caught.value.code == "BROKER-UNREACHABLE"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://",
        "http://[::1",
        "ftp://127.0.0.1",
        "file:///etc/passwd",
        "127.0.0.1:8080",
        "http://a:99999",
        "http://a\x00b",
        "http://xn--a",
        "http://a/?b",
        "http://a/#b",
        "http://a\udc80b",
    ],
)
async def test_a_url_that_names_no_broker_is_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(BrokerSettingsError) as caught:
        await get(url)
    assert caught.value.code == "BROKER-URL"


@pytest.mark.parametrize("bytes_", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 200 OK\r\nx: " + b"a" * 200_000])
async def test_a24_a_peer_that_speaks_another_protocol_is_no_broker(bytes_: bytes) -> None:
    async with server(bytes_, bytes_) as (url, _):
        with pytest.raises(BrokerUnreachableError):
            await get(url)


@pytest.mark.parametrize("encoding", ["gzip", "br", "x"])
async def test_a24_an_encoded_answer_is_not_decoded(encoding: str) -> None:
    async with server(answer("200 OK", b"abc", f"content-encoding: {encoding}")) as (url, heads):
        with pytest.raises(BrokerAnswerError) as caught:
            await get(url)
    assert caught.value.code == "BROKER-ANSWER"
    assert b"accept-encoding" not in heads[0].lower()
    async with server(answer("200 OK", b"abc", "content-encoding: Identity")) as (url, _):
        assert (await get(url)).body == b"abc"


async def test_the_head_has_the_fields_of_the_stock_guest() -> None:
    async with server(answer("200 OK")) as (url, heads):
        await get(url)
    names = [line.partition(b":")[0].lower() for line in heads[0].split(b"\r\n")[1:] if line]
    assert sorted(names) == [b"accept", b"cookie", b"host", b"user-agent"]


@asynccontextmanager
async def forgetful(requests_before_close: int) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Answer so many requests of each connection, and close it on the next one without a word."""
    heads = list[bytes]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            for _ in range(requests_before_close):
                heads.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(answer("200 OK"))
            await reader.readuntil(b"\r\n\r\n")
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}", heads
    finally:
        listener.close()


async def test_a_read_on_a_connection_that_was_closed_meanwhile_is_sent_again() -> None:
    async with forgetful(1) as (url, heads):
        http = HttpTransport(TransportSettings(url))
        assert [(await http.send("GET", "/", headers={})).status for _ in range(3)] == [200] * 3
        with pytest.raises(BrokerUnreachableError):
            await http.send("POST", "/", body=b"x", headers={})
        await http.close()
    assert len(heads) == 3


async def test_a_read_is_sent_again_only_once() -> None:
    async with forgetful(0) as (url, heads):
        with pytest.raises(BrokerUnreachableError):
            await get(url)
    assert heads == []


@pytest.mark.parametrize("value", ["Bearer a\nb", "Bearer \xe9", "", "Bearer a ", "a\x00b"])
async def test_a35_a_credential_that_cannot_be_sent_is_not_shown(value: str) -> None:
    http = HttpTransport(TransportSettings("http://127.0.0.1:1"))
    with pytest.raises(BrokerSettingsError) as caught:
        await http.send("GET", "/", headers={"authorization": value})
    assert caught.value.code == "BROKER-CREDENTIAL"
    assert "Bearer" not in str(caught.value)


@pytest.mark.parametrize(
    "proxy", ["nope://name:password@host", "socks5://name:password@host:1", "http://[name:password"]
)
async def test_a35_a_proxy_of_no_use_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(BrokerSettingsError) as caught:
        await get("http://broker.example")
    assert caught.value.code == "BROKER-PROXY"
    assert "password" not in str(caught.value)


async def test_a35_the_http_librarys_log_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    for name in ("httpx", "httpcore"):
        caplog.set_level("DEBUG", name)
    async with server(answer("200 OK", b"", "set-cookie: kbs-session-id=secret")) as (url, _):
        assert (await get(url)).cookies == ("kbs-session-id=secret",)
    assert [record.name for record in caplog.records if record.name.startswith("http")] == []


async def test_a35_user_information_of_the_url_is_not_shown() -> None:
    assert shown_url("https://name:password@broker.example:1/x@y") == "https://broker.example:1/x@y"
    assert shown_url("https://broker.example/x@y") == "https://broker.example/x@y"
    with pytest.raises(BrokerUnreachableError) as caught:
        await get("http://name:password@127.0.0.1:1")
    assert "password" not in str(caught.value)
    assert "http://127.0.0.1:1 " in str(caught.value)


@pytest.mark.parametrize(
    ("url", "private"),
    [
        ("http://127.0.0.1:8080", True),
        ("http://[::1]:8080", True),
        ("http://localhost", True),
        ("https://kbs.example", True),
        ("http://kbs.example", False),
        ("http://10.0.0.1:8080", False),
        ("http://localhost.evil.example", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_a10_an_unencrypted_way_is_known(url: str, private: bool) -> None:  # noqa: FBT001  # a parameter of the test
    assert is_private(url) is private


@pytest.mark.parametrize("pem", ["no certificate", "\xe9", " ", "\x00"])
async def test_an_extra_root_must_be_pem(pem: str) -> None:
    http = HttpTransport(TransportSettings("https://127.0.0.1:1", extra_root_pem=pem))
    with pytest.raises(BrokerSettingsError) as caught:
        await http.send("GET", "/", headers={})
    assert caught.value.code == "BROKER-ROOT"


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(built.public_bytes(serialization.Encoding.PEM))
    pem = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(key.private_bytes(*pem))
    return folder / "cert.pem", folder / "key.pem"


async def test_a10_https_trusts_the_extra_root_and_still_checks_the_name(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    async with server(answer("200 OK"), context=context) as (plain, heads):
        url = plain.replace("http:", "https:")
        http = HttpTransport(TransportSettings(url, cert.read_text()))
        assert (await http.send("GET", "/", headers={})).status == 200
        await http.close()
        for settings in (
            TransportSettings(url),
            TransportSettings(url.replace("127.0.0.1", "localhost"), cert.read_text()),
        ):
            http = HttpTransport(settings)
            with pytest.raises(BrokerUnreachableError) as caught:
                await http.send("GET", "/", headers={})
            assert "CERTIFICATE_VERIFY_FAILED" in caught.value.message
            await http.close()
    assert len(heads) == 1
