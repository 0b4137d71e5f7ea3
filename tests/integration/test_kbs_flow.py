"""`kbs` as a real process: start, refusal to start, TLS, restarts, switches, bounds, and an end in good order."""

from __future__ import annotations

import base64
import json
import signal
import socket
import ssl
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.integration.independent_rcar_client import Guest, TeeKey, new_key
from tests.integration.kbs_config import SAMPLES, Kbs, policy_document
from tests.integration.processes import Program, Tcp, environment, free_port, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET: Final = b"a secret that no log may show"
PATH: Final = "default/key/1"


class Guests:
    """Makes guests, and hangs up for them."""

    def __init__(self) -> None:
        self._open: list[Guest] = []

    def of(self, kbs: Kbs, key: TeeKey | None = None) -> Guest:
        guest = Guest(kbs.url, key or new_key("P-256"))
        self._open.append(guest)
        return guest

    def close(self) -> None:
        for guest in self._open:
            guest.close()


@pytest.fixture
def guests() -> Iterator[Guests]:
    made = Guests()
    yield made
    made.close()


def prepare(kbs: Kbs, guests: Guests) -> Guest:
    """Set a secret and a policy that lets every attested guest have it."""
    guest = guests.of(kbs)
    assert guest.send("POST", f"/kbs/v0/resource/{PATH}", SECRET).status == 200
    assert guest.send("POST", "/kbs/v0/resource-policy", policy_document()).status == 200
    return guest


@pytest.fixture
def kbs(tmp_path: Path) -> Iterator[Kbs]:
    with Kbs(tmp_path) as started:
        yield started


def test_the_first_probe_of_the_quick_start_gets_an_error_document(kbs: Kbs, guests: Guests) -> None:
    guest = guests.of(kbs)
    answer = guest.send("POST", "/kbs/v0/attest")
    assert (answer.status, "content-type" in answer.headers, "server" in answer.headers) == (401, False, False)
    assert answer.json["detail"].startswith("Attestation error: RCAR handshake Attest failed")


def test_a35_a_log_of_everything_shows_no_secret_and_no_token(tmp_path: Path, guests: Guests) -> None:
    with Kbs(tmp_path, env={"RUST_LOG": "debug"}) as kbs:
        guest = prepare(kbs, guests)
        challenge = guest.auth()
        token = guest.token(challenge)
        assert guest.open(guest.resource(PATH, Cookie=challenge.cookie)) == SECRET
        guest.resource("default/key/none", Authorization=f"Bearer {token}")
        guest.send("POST", "/kbs/v0/attest", SECRET)
        log = kbs.program.log
    assert "granted by an insecure switch" in log
    assert "RESOURCE-MISSING" in log
    sealed = challenge.cookie.partition("=")[2]
    for text in (SECRET.decode(), base64.b64encode(SECRET).decode()[:16], token[-40:], sealed[-40:], challenge.nonce):
        assert text not in log
    assert "Traceback" not in log


def test_a10_a_broker_that_was_killed_goes_on_with_its_sessions(kbs: Kbs, guests: Guests) -> None:
    guest = prepare(kbs, guests)
    challenge = guest.auth()
    kbs.program.stop(signal.SIGKILL)
    kbs.program.start()
    guest = guests.of(kbs, guest.key)
    assert guest.attest(challenge).status == 200
    assert guest.open(guest.resource(PATH, Cookie=challenge.cookie)) == SECRET


def test_a37_a_token_that_was_given_is_the_one_after_a_crash_too(kbs: Kbs, guests: Guests) -> None:
    guest = prepare(kbs, guests)
    challenge = guest.auth()
    body = guest.attestation(challenge.nonce)
    token = guest.attest(challenge, body).json["token"]
    kbs.program.stop(signal.SIGKILL)
    kbs.program.start()
    again = guests.of(kbs, guest.key)
    assert again.attest(challenge, body).json["token"] == token
    other = guests.of(kbs)
    answer = other.attest(challenge)
    assert (answer.status, answer.json["detail"].endswith("[SESSION-USED]")) == (401, True)


def test_a11_sample_evidence_gets_nothing_until_a_switch_says_so(tmp_path: Path, guests: Guests) -> None:
    with Kbs(tmp_path, switches="") as kbs:
        guest = prepare(kbs, guests)
        challenge = guest.auth()
        token = guest.token(challenge)
        for headers in ({"Cookie": challenge.cookie}, {"Authorization": f"Bearer {token}"}):
            answer = guest.resource(PATH, **headers)
            assert answer.status == 401
            assert answer.json["type"].endswith("/PolicyDeny")
            assert answer.json["detail"].startswith("Access denied by policy (")
            assert answer.json["detail"].endswith("[SAMPLE-EVIDENCE]")
    with Kbs(tmp_path, switches="", env={"ATTESTACK_INSECURE_SAMPLE_EVIDENCE": "1"}) as kbs:
        guest = prepare(kbs, guests)
        challenge = guest.auth()
        guest.token(challenge)
        assert guest.open(guest.resource(PATH, Cookie=challenge.cookie)) == SECRET
        assert "INSECURE: secrets are released on sample evidence" in kbs.program.log


def test_a_request_head_of_128_kib_is_taken_and_a_longer_one_refused(kbs: Kbs, guests: Guests) -> None:
    guest = guests.of(kbs)
    assert guest.send("GET", "/healthz", None, **{"X-Long": "a" * 120_000}).status == 200
    answer = guests.of(kbs, guest.key).send("GET", "/healthz", None, **{"X-Long": "a" * 140_000})
    assert (answer.status, answer.body) == (431, b"")


def test_a24_oversize_and_broken_requests_break_nothing(kbs: Kbs, guests: Guests) -> None:
    for data in (
        b"\0" * 4096,
        b"GET /kbs/v0/\xff HTTP/9.9\r\n\r\n",
        b"POST /kbs/v0/auth HTTP/1.1\r\nhost: x\r\ncontent-",
    ):
        with socket.create_connection(("127.0.0.1", kbs.port), timeout=10) as peer:
            peer.sendall(data)
    guest = guests.of(kbs)
    deep = b'{"a":' * 100_000
    for body in (deep, b"\xff" * 1024, b"[" * 1_000_000, b'{"version":"' + b"9" * 1_000_000 + b'"}'):
        for route in ("auth", "attest", "resource-policy", "attestation-policy", "reference-value"):
            answer = guest.send("POST", f"/kbs/v0/{route}", body)
            assert (answer.status, list(answer.json)) == (401, ["type", "detail"])
    assert guest.send("GET", "/healthz").status == 200


def test_the_configuration_may_come_by_environment_and_the_module_runs_too(tmp_path: Path) -> None:
    port = free_port()
    path = tmp_path / "kbs.json"
    http_server = {"insecure_http": True, "sockets": [f"127.0.0.1:{port}"]}
    path.write_text(json.dumps({"http_server": http_server, "admin": {"authorization_mode": "DenyAll"}}))
    with Program("kbs", ready=Tcp(port), env={"KBS_CONFIG_FILE": str(path)}) as program:
        assert program.running
        assert program.stop() == 0
    module = [sys.executable, "-m", "key_broker_service.main", "--version"]
    done = subprocess.run(module, capture_output=True, text=True, env=environment(), timeout=60, check=True)
    assert done.stdout.startswith("kbs ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "{path}: http_server: is missing [CONFIG-VALUE]"),
        ("[http_server", "{path}: "),
        (
            '[http_server]\ninsecure_http = true\n[admin]\nauthorization_mode = "DenyAll"\nx = 1\n',
            "{path}: unknown key admin.x [CONFIG-UNKNOWN-KEY]",
        ),
        (
            '[http_server]\n[admin]\nauthorization_mode = "DenyAll"\n',
            "{path}: http_server.certificate: is missing [CONFIG-VALUE]",
        ),
    ],
)
def test_a_configuration_that_cannot_be_taken_is_said_in_a_line_with_advice(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "kbs.toml"
    path.write_text(text)
    done = run("kbs", "--config-file", path)
    assert (done.status, done.stdout) == (1, "")
    assert done.stderr.startswith(message.format(path=path))
    assert len(done.stderr.splitlines()) <= 2
    assert "Traceback" not in done.stderr


def test_no_configuration_and_a_socket_that_is_taken_stop_the_start(tmp_path: Path) -> None:
    assert "[KBS-NO-CONFIG]" in run("kbs").stderr
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        path = tmp_path / "kbs.toml"
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        head = f'[http_server]\ninsecure_http = true\nsockets = ["{address}"]\n'
        path.write_text(f'{head}[admin]\nauthorization_mode = "DenyAll"\n')
        done = run("kbs", "-c", path)
    assert done.status == 1
    assert address in done.stderr


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for localhost, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(private)
    return folder / "cert.pem", folder / "key.pem"


def test_https_is_served_from_the_configured_files_and_speaks_http_1_1(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    port = free_port()
    path = tmp_path / "kbs.toml"
    path.write_text(
        f'[http_server]\nsockets = ["127.0.0.1:{port}"]\ncertificate = "{cert}"\nprivate_key = "{key}"\n'
        'tls_profile = "modern"\n[admin]\nauthorization_mode = "DenyAll"\n'
    )
    with Program("kbs", "-c", path, ready=Tcp(port)):
        trust = ssl.create_default_context(cafile=str(cert))
        trust.set_alpn_protocols(["h2", "http/1.1"])
        plain = socket.create_connection(("127.0.0.1", port), timeout=10)
        with plain, trust.wrap_socket(plain, server_hostname="localhost") as peer:
            assert (peer.version(), peer.selected_alpn_protocol()) == ("TLSv1.3", "http/1.1")
            peer.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert peer.recv(15) == b"HTTP/1.1 200 OK"
        old = ssl.create_default_context(cafile=str(cert))
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with socket.create_connection(("127.0.0.1", port), timeout=10) as plain, pytest.raises(ssl.SSLError):
            old.wrap_socket(plain, server_hostname="localhost")
        with socket.create_connection(("127.0.0.1", port), timeout=10) as unencrypted:
            unencrypted.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert b"HTTP" not in unencrypted.recv(1024)


def test_a08_a_token_is_spent_where_its_issuer_is_trusted_and_nowhere_else(tmp_path: Path, guests: Guests) -> None:
    folders = [tmp_path / name for name in ("issuer", "trusting", "other")]
    for folder in folders:
        folder.mkdir()
    trusting = "insecure_header_jwk = true"
    with (
        Kbs(folders[0]) as issuer,
        Kbs(folders[1], attestation_token=trusting) as resource,
        Kbs(folders[2], switches=SAMPLES) as other,
    ):
        guest = guests.of(issuer)
        token = guest.token(guest.auth())
        for kbs, status in ((resource, 200), (other, 401)):
            prepare(kbs, guests)
            answer = guests.of(kbs, guest.key).resource(PATH, Authorization=f"Bearer {token}")
            assert answer.status == status
        assert answer.json["detail"].endswith("[TOKEN-KEY]")
