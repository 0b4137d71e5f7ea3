"""Calls to a peer: with a time limit, bounded in number, and once more when the connection was gone."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from attestack_common.grpc_edge import (
    CallRefusedError,
    CallTimeoutError,
    Channel,
    GrpcServer,
    PeerAddress,
    PeerUnreachableError,
    Service,
    Status,
)
from attestack_common.grpc_edge import channel as channel_module
from attestack_common.http_server.tls import server_context
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.integration.processes import free_port
from tests.unit.attestack_common.grpc_edge.echo import ECHO, NAME, serving

if TYPE_CHECKING:
    from pathlib import Path


def to(server: GrpcServer | str, *, max_calls: int = 8) -> Channel:
    address = server if isinstance(server, str) else server.address
    return Channel(PeerAddress.parse(address), max_calls=max_calls)


async def test_a_call_is_answered() -> None:
    async with serving() as (server, _), to(server) as channel:
        await channel.connect(30)
        assert await channel.call(ECHO, b"hello", seconds=30) == b"hello"
        assert await asyncio.gather(*(channel.call(ECHO, bytes([n]), seconds=30) for n in range(50))) == [
            bytes([n]) for n in range(50)
        ]


async def test_a_refusal_brings_status_and_text() -> None:
    async with serving() as (server, _), to(server) as channel:
        with pytest.raises(CallRefusedError) as caught:
            await channel.call(ECHO, b"refuse", seconds=30)
        assert (caught.value.status, caught.value.message) == (Status.ABORTED, "no (ask otherwise) [TEST]")
        with pytest.raises(CallRefusedError) as caught:
            await channel.call("/test.Echo/Nothing", b"", seconds=30)
        assert caught.value.status is Status.UNIMPLEMENTED


async def test_a_text_without_words_is_the_name_of_its_status() -> None:
    assert CallRefusedError(Status.NOT_FOUND, "").message == "NOT_FOUND"


async def test_an_answer_has_a_bound() -> None:
    async with serving(message_bytes=16 << 20) as (server, _), to(server) as channel:
        with pytest.raises(CallRefusedError) as caught:
            await channel.call(ECHO, bytes((4 << 20) + 1), seconds=30)
        assert caught.value.status is Status.RESOURCE_EXHAUSTED


async def test_a_peer_that_does_not_answer_is_not_waited_for() -> None:
    async with serving() as (server, _), to(server) as channel:
        with pytest.raises(CallTimeoutError, match="did not answer within") as caught:
            await channel.call(ECHO, b"wait", seconds=0.2)
        assert caught.value.code == "GRPC-TIMEOUT"


async def test_calls_wait_for_their_turn_within_their_time() -> None:
    async with serving() as (server, echo), to(server, max_calls=1) as channel:
        first = asyncio.create_task(channel.call(ECHO, b"wait", seconds=30))
        await echo.started.acquire()
        with pytest.raises(CallTimeoutError):
            await channel.call(ECHO, b"second", seconds=0.1)
        third = asyncio.create_task(channel.call(ECHO, b"third", seconds=30))
        await asyncio.sleep(0)
        echo.go_on.set()
        assert (await first, await third) == (b"wait", b"third")


async def test_a_peer_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_module, "RECONNECT_SECONDS", 0.1)
    address = f"127.0.0.1:{free_port()}"
    async with to(address) as channel:
        for attempt in (channel.connect(0.2), channel.call(ECHO, b"", seconds=30)):
            with pytest.raises(PeerUnreachableError) as caught:
                await attempt
            assert caught.value.code == "GRPC-UNREACHABLE"
            assert f"http://{address} cannot be reached" in caught.value.message


async def test_a_call_is_tried_again_when_the_peer_was_restarted() -> None:
    calls: list[bytes] = []

    async def count(message: bytes) -> bytes:
        calls.append(message)
        return message

    service = Service(NAME, {"Echo": count})
    port = free_port()
    first = GrpcServer([service], address=f"127.0.0.1:{port}")
    await first.start()
    async with to(first) as channel:
        assert await channel.call(ECHO, b"1", seconds=30) == b"1"
        await first.stop(0)
        pending = asyncio.create_task(channel.call(ECHO, b"2", seconds=30))
        await asyncio.sleep(0.2)
        async with GrpcServer([service], address=f"127.0.0.1:{port}"):
            assert await pending == b"2"
    assert calls == [b"1", b"2"]


@pytest.mark.parametrize(("again", "attempts"), [(True, 2), (False, 1)])
async def test_what_must_not_run_twice_is_not_tried_again(
    monkeypatch: pytest.MonkeyPatch,
    again: bool,  # noqa: FBT001  # a column
    attempts: int,
) -> None:
    tried: list[bool] = []

    async def unreachable(*_: object, wait_for_ready: bool = False) -> bytes:
        tried.append(wait_for_ready)
        raise PeerUnreachableError("gone")

    async with to(f"127.0.0.1:{free_port()}") as channel:
        monkeypatch.setattr(channel, "_once", unreachable)
        with pytest.raises(PeerUnreachableError):
            await channel.call(ECHO, b"", seconds=30, again=again)
    assert tried == [False, True][:attempts]


async def test_a_channel_can_be_closed_twice_and_used_again() -> None:
    async with serving() as (server, _):
        channel = to(server)
        await channel.close()
        assert await channel.call(ECHO, b"a", seconds=30) == b"a"
        await channel.close()
        await channel.close()
        assert await channel.call(ECHO, b"b", seconds=30) == b"b"
        await channel.close()


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    async with serving() as (server, _), to(server.address.replace("127.0.0.1", "localhost")) as channel:
        assert await channel.call(ECHO, b"direct", seconds=30) == b"direct"


def issue(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate that is its own root, for a name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now, day = datetime.now(UTC), timedelta(days=1)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), 1, now - day, now + day)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    certificate_path, key_path = folder / f"{name}.pem", folder / f"{name}.key"
    certificate_path.write_bytes(certificate.public_bytes(pem))
    key_path.write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    return certificate_path, key_path


async def test_https_proves_who_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_module, "RECONNECT_SECONDS", 0.1)
    certificate, key = issue(tmp_path, "localhost")
    other, _ = issue(tmp_path, "other")
    async with serving(tls=server_context(certificate, key)) as (server, _):
        url = f"https://localhost:{server.address.rpartition(':')[2]}"
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        async with to(url) as channel:
            assert await channel.call(ECHO, b"proven", seconds=30) == b"proven"
        monkeypatch.setenv("SSL_CERT_FILE", str(other))
        async with to(url) as channel:
            with pytest.raises(PeerUnreachableError):
                await channel.call(ECHO, b"not proven", seconds=30)
        async with to(url.replace("https", "http")) as channel:
            with pytest.raises(PeerUnreachableError):
                await channel.call(ECHO, b"plain", seconds=30)


def test_without_a_file_of_roots_grpcio_has_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    paths = ssl.get_default_verify_paths()
    monkeypatch.setattr(channel_module, "_ROOTS", (str(tmp_path / "none.pem"),))
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths._replace(cafile=""))
    assert channel_module._machine_roots() is None
    (tmp_path / "none.pem").write_bytes(b"roots")
    assert channel_module._machine_roots() == b"roots"
