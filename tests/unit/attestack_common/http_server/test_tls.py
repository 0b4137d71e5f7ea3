"""TLS: profiles, versions, suites, groups, files; and that real handshakes obey them."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
import logging
import socket
import ssl
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from attestack_common.errors import ConfigError
from attestack_common.http_server.tls import server_context
from attestack_common.logs.lines import FIELDS
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.unit.attestack_common.http_server.edge import PATIENT, WAIT, Recorder, connected, serving
from tests.unit.attestack_common.http_server.test_endings import large, unread

if TYPE_CHECKING:
    from pathlib import Path

GET = b"GET / HTTP/1.1\r\n\r\n"


@dataclass(frozen=True)
class Files:
    certificate: Path
    private_key: Path
    encrypted_key: Path
    other_key: Path

    def context(self, **options: Any) -> ssl.SSLContext:
        return server_context(self.certificate, self.private_key, **options)

    def refusal(self, **options: Any) -> ConfigError:
        with pytest.raises(ConfigError) as refused:
            self.context(**options)
        assert refused.value.code == "TLS-CONFIG"
        return refused.value


def pem(key: ec.EllipticCurvePrivateKey, password: bytes | None = None) -> bytes:
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        encryption = serialization.BestAvailableEncryption(password)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("tls")
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kbs")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    made = Files(folder / "cert.pem", folder / "key.pem", folder / "encrypted.pem", folder / "other.pem")
    made.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    made.private_key.write_bytes(pem(key))
    made.encrypted_key.write_bytes(pem(key, b"hunter2"))
    made.other_key.write_bytes(pem(ec.generate_private_key(ec.SECP256R1())))
    return made


def trusting(files: Files, **options: Any) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(files.certificate))
    for name, value in options.items():
        setattr(context, name, value)
    return context


async def handshake(server_side: ssl.SSLContext, client_side: ssl.SSLContext) -> tuple[str | None, str, str | None]:
    """Return version, suite and protocol of a real exchange."""
    async with serving(Recorder(), tls=server_side) as server, connected(server, client_side) as connection:
        assert (await connection.ask(GET)).status == 200
        session = connection.writer.get_extra_info("ssl_object")
        return session.version(), session.cipher()[0], session.selected_alpn_protocol()


async def refuses(server_side: ssl.SSLContext, client_side: ssl.SSLContext) -> None:
    async with serving(Recorder(), tls=server_side) as server:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            async with connected(server, client_side) as connection:
                await connection.ask(GET)


@pytest.mark.parametrize("profile", ["intermediate", "old", "custom"])
async def test_profiles_from_tls_1_2(files: Files, profile: str) -> None:
    context = files.context(profile=profile)
    assert (await handshake(context, trusting(files)))[0] == "TLSv1.3"
    older = trusting(files, maximum_version=ssl.TLSVersion.TLSv1_2)
    version, suite, _ = await handshake(context, older)
    assert (version, suite) in {
        ("TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256"),
        ("TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    }


async def test_the_modern_profile_refuses_tls_1_2(files: Files) -> None:
    context = files.context(profile="modern")
    assert (await handshake(context, trusting(files)))[0] == "TLSv1.3"
    await refuses(context, trusting(files, maximum_version=ssl.TLSVersion.TLSv1_2))


async def test_versions_win_over_the_profile(files: Files) -> None:
    assert (await handshake(files.context(profile="modern", min_version="1.2", max_version="1.2"), trusting(files)))[
        0
    ] == "TLSv1.2"
    await refuses(files.context(min_version="1.3"), trusting(files, maximum_version=ssl.TLSVersion.TLSv1_2))


async def test_http_1_1_is_offered_by_alpn(files: Files) -> None:
    client = trusting(files)
    client.set_alpn_protocols(["h2", "http/1.1"])
    assert (await handshake(files.context(), client))[2] == "http/1.1"


async def test_the_suites_of_tls_1_2_are_those_named(files: Files) -> None:
    context = files.context(ciphers="ECDHE-ECDSA-CHACHA20-POLY1305:TLS_AES_128_GCM_SHA256")
    older = trusting(files, maximum_version=ssl.TLSVersion.TLSv1_2)
    assert (await handshake(context, older))[1] == "ECDHE-ECDSA-CHACHA20-POLY1305"
    older.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    await refuses(context, older)


async def test_weak_suites_are_never_offered(files: Files) -> None:
    names = {str(suite["name"]) for suite in files.context().get_ciphers()}
    assert not {name for name in names if "CBC" in name or "SHA1" in name or name.startswith(("AES", "RC4", "DES"))}
    older = trusting(files, maximum_version=ssl.TLSVersion.TLSv1_2)
    older.set_ciphers("ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0")
    await refuses(files.context(), older)


async def test_suites_of_tls_1_3_alone_close_tls_1_2(files: Files, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        context = files.context(ciphers="TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256")
    assert getattr(caplog.records[-1], FIELDS) == {"suites": "TLS_AES_128_GCM_SHA256"}
    await refuses(context, trusting(files, maximum_version=ssl.TLSVersion.TLSv1_2))


def test_all_suites_of_tls_1_3_need_no_warning(files: Files, caplog: pytest.LogCaptureFixture) -> None:
    suites = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"
    with caplog.at_level(logging.WARNING):
        files.context(profile="custom", min_version="1.3", max_version="1.3", ciphers=suites)
    assert [record.message for record in caplog.records] == ["explicit TLS settings win over the profile"]


async def test_the_first_group_that_is_known_is_the_only_one(files: Files, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        context = files.context(groups="NoSuchGroup:secp384r1:X25519")
    assert getattr(caplog.records[-1], FIELDS) == {"key": "http_server.tls_groups", "group": "secp384r1"}
    client = trusting(files)
    client.set_ecdh_curve("prime256v1")
    await refuses(context, client)
    client.set_ecdh_curve("secp384r1")
    assert (await handshake(context, client))[0] == "TLSv1.3"


async def test_one_group_needs_no_warning(files: Files, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        context = files.context(groups="secp256r1")
    assert [record.message for record in caplog.records] == ["explicit TLS settings win over the profile"]
    client = trusting(files)
    client.set_ecdh_curve("prime256v1")
    assert (await handshake(context, client))[0] == "TLSv1.3"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"profile": "Modern"}, "http_server.tls_profile: wanted one of intermediate, old, modern, custom"),
        ({"min_version": "1.1"}, "http_server.tls_min_version: wanted one of 1.2, 1.3"),
        ({"max_version": "TLSv1.3"}, "http_server.tls_max_version: wanted one of 1.2, 1.3"),
        ({"min_version": "1.3", "max_version": "1.2"}, "http_server.tls_max_version: is below the lowest version"),
        ({"profile": "modern", "max_version": "1.2"}, "http_server.tls_max_version: is below the lowest version"),
        ({"ciphers": "NO-SUCH-SUITE"}, "http_server.tls_ciphers: OpenSSL knows none of these suites"),
        ({"ciphers": "TLS_X", "max_version": "1.2"}, "http_server.tls_ciphers: names no suite of TLS 1.2"),
        ({"groups": "X25519MLKEM1"}, "http_server.tls_groups: OpenSSL knows none of these groups"),
        ({"groups": ""}, "http_server.tls_groups: OpenSSL knows none of these groups"),
        ({"profile": "x", "section": "grpc"}, "grpc.tls_profile: wanted one of intermediate, old, modern, custom"),
    ],
)
def test_a_refusal_names_the_key(files: Files, options: dict[str, Any], message: str) -> None:
    assert files.refusal(**options).message == message


def test_files_that_do_not_fit_are_refused_by_their_keys(files: Files, tmp_path: Path) -> None:
    (tmp_path / "text.pem").write_text("not PEM")
    cases = [
        (tmp_path / "none", files.private_key, "certificate", "cannot be read: No such file or directory"),
        (files.certificate, tmp_path / "none", "private_key", "cannot be read: No such file or directory"),
        (files.certificate, files.other_key, "private_key", f"is not the key of {files.certificate}"),
        (files.certificate, files.encrypted_key, "private_key", "is encrypted"),
        (tmp_path / "text.pem", files.private_key, "certificate", "are not a certificate and its key"),
        (files.certificate, tmp_path / "text.pem", "certificate", "are not a certificate and its key"),
    ]
    for certificate, private_key, key, reason in cases:
        with pytest.raises(ConfigError) as refused:
            server_context(certificate, private_key)
        assert refused.value.message.startswith(f"http_server.{key}: ")
        assert refused.value.message.endswith(reason)
        assert refused.value.code == "TLS-CONFIG"


async def test_plain_http_to_a_tls_port_gets_nothing(files: Files) -> None:
    seen = Recorder()
    async with serving(seen, tls=files.context()) as server, connected(server) as connection:
        await connection.send(GET)
        assert b"200" not in await connection.rest()
    assert seen.requests == []


async def test_a_refusal_reaches_a_tls_peer_that_still_sends(files: Files) -> None:
    async with serving(Recorder(), tls=files.context()) as server, connected(server, trusting(files)) as connection:
        await connection.send(b"POST / HTTP/1.1\r\ncontent-length: 4000000\r\n\r\n" + bytes(1_000_000))
        answer = await connection.answer()
        assert (answer.status, answer.body) == (413, b"payload reached size limit")


async def test_stopping_under_tls_while_an_answer_is_unread_raises_nothing(files: Files) -> None:
    raised: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(context))
    server = serving(large, tls=files.context())
    await server.start()
    async with connected(server, trusting(files)) as connection:
        connection.writer.transport.pause_reading()  # type: ignore[attr-defined]  # it is one that reads
        await connection.send(GET * 3)  # the second answer is the first whose writing is paused
        await unread(server)
        await asyncio.sleep(0.05)
        await server.stop(0.05)
        await asyncio.sleep(0.05)
        assert server._state is not None
        assert (server._state.connections, server._state.tasks, raised) == (set(), set(), [])
        connection.writer.transport.abort()


async def test_a_tls_peer_that_ends_and_never_reads_is_cut_off(files: Files) -> None:
    def ask_and_end() -> ssl.SSLSocket:
        peer = trusting(files).wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="127.0.0.1")
        peer.sendall(GET)
        peer.settimeout(WAIT)
        with contextlib.suppress(OSError):  # what comes is the answer, and no end
            peer.unwrap()
        return peer

    limits = replace(PATIENT, write_seconds=0.2, keep_alive_seconds=0.3)
    async with serving(large, limits, tls=files.context()) as server:
        port = int(server.addresses[0].rpartition(":")[2])
        peer = await asyncio.to_thread(ask_and_end)
        assert server._state is not None
        async with asyncio.timeout(WAIT):
            while server._state.connections:  # noqa: ASYNC110  # the server has no event for it
                await asyncio.sleep(0.01)
        peer.close()
