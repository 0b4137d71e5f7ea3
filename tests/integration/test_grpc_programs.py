"""`rvps`, `grpc-as` and `kbs` as real processes: a secret through all three, restarts, TLS, and what stops a start."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, Final

import pytest
from attestation_protocol.errors import code_of

from tests.conformance.grpc_replay import Client
from tests.integration.independent_rcar_client import Answer, Challenge, Guest, new_key
from tests.integration.processes import Program, Tcp, free_port, run
from tests.integration.trustee_cluster import Cluster, issue_chain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET: Final = b"through three processes"
PATH: Final = "default/key/1"
VALUES: Final = {"svn": ["1"], "launch_digest": ["abcde"], "major_version": 1, "minimum_minor_version": 4}
HEALTH: Final = "/grpc.health.v1.Health/Check"


def message(values: Any) -> bytes:
    payload = base64.b64encode(json.dumps(values).encode()).decode()
    return json.dumps({"version": "0.1.0", "type": "sample", "payload": payload}).encode()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path) as made:
        yield made


@pytest.fixture
def guest(cluster: Cluster) -> Iterator[Guest]:
    made = Guest(cluster.url, new_key("P-256"))
    yield made
    made.close()


def attested(guest: Guest) -> tuple[Answer, Challenge]:
    challenge = guest.auth()
    return guest.attest(challenge), challenge


def secret(guest: Guest) -> bytes:
    """Attest and open the resource."""
    answer, challenge = attested(guest)
    assert answer.status == 200, answer
    return guest.open(guest.resource(PATH, Cookie=challenge.cookie))


def test_a_secret_passes_through_three_processes(cluster: Cluster, guest: Guest) -> None:
    for program in (cluster.rvps, cluster.service, cluster.kbs):
        cluster.start(program)
    assert guest.send("POST", f"/kbs/v0/resource/{PATH}", SECRET).status == 200

    answer, challenge = attested(guest)  # nothing vouches for the evidence yet
    assert answer.status == 200
    denied = guest.resource(PATH, Cookie=challenge.cookie)
    assert (denied.status, code_of(denied.json["detail"])) == (401, "POLICY-DENY")

    assert guest.send("POST", "/kbs/v0/reference-value", message(VALUES)).status == 200
    assert guest.send("GET", "/kbs/v0/reference-value/svn").json == ["1"]
    record = json.loads((cluster.folder / "store-of-rvps" / "reference_value" / "svn").read_bytes())
    assert record["value"] == ["1"]
    assert secret(guest) == SECRET

    for program in (cluster.kbs, cluster.service, cluster.rvps):
        assert program.stop() == 0
        assert "Traceback" not in program.log


def test_each_may_be_restarted_while_the_others_run(cluster: Cluster, guest: Guest) -> None:
    for program in (cluster.rvps, cluster.service, cluster.kbs):
        cluster.start(program)
    assert guest.send("POST", f"/kbs/v0/resource/{PATH}", SECRET).status == 200
    assert guest.send("POST", "/kbs/v0/reference-value", message(VALUES)).status == 200
    assert secret(guest) == SECRET
    cluster.rvps.restart()
    assert secret(guest) == SECRET
    cluster.service.restart()  # its key and certificate are on the disk
    assert secret(guest) == SECRET
    cluster.rvps.stop()
    answer, _ = attested(guest)
    assert (answer.status, code_of(answer.json["detail"])) == (401, "POLICY-REFERENCE-VALUES")
    assert "RVPS" in cluster.service.log
    cluster.rvps.start()
    assert secret(guest) == SECRET


def test_the_broker_starts_before_the_attestation_service(cluster: Cluster, guest: Guest) -> None:
    cluster.start(cluster.kbs)
    answer, _ = attested(guest)
    assert (answer.status, code_of(answer.json["detail"])) == (401, "AS-UNREACHABLE")
    cluster.start(cluster.rvps)
    cluster.start(cluster.service)
    answer, _ = attested(guest)
    assert answer.status == 200


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_calls_and_the_jwk_set_over_tls(tmp_path: Path) -> None:
    with Cluster(tmp_path, tls=True) as cluster:
        for program in (cluster.rvps, cluster.service, cluster.kbs):
            cluster.start(program)
        guest = Guest(cluster.url, new_key("P-256"))
        answer, _ = attested(guest)
        guest.close()
        assert answer.status == 200
        url = f"https://localhost:{cluster.as_port}/.well-known/jwks.json"
        command = ["curl", "-sS", "--cacert", str(cluster.root), "-w", "%{http_version} %{http_code}", url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        document, _, line = done.stdout.rpartition("}")
        assert line == "1.1 200"
        (jwk,) = json.loads(document + "}")["keys"]
        header = json.loads(base64.urlsafe_b64decode(answer.json["token"].partition(".")[0] + "=="))
        assert header["jwk"] == jwk


def test_each_process_of_a_broker_has_its_own_connection(tmp_path: Path) -> None:
    with Cluster(tmp_path, workers=3) as cluster:
        for program in (cluster.rvps, cluster.service, cluster.kbs):
            cluster.start(program)
        first = Guest(cluster.url, new_key("P-256"))
        assert first.send("POST", f"/kbs/v0/resource/{PATH}", SECRET).status == 200
        assert first.send("POST", "/kbs/v0/reference-value", message(VALUES)).status == 200
        guests = [first, *(Guest(cluster.url, new_key("P-256")) for _ in range(9))]
        assert [secret(guest) for guest in guests] == [SECRET] * 10
        for guest in guests:
            guest.close()
        assert cluster.kbs.stop() == 0


def test_a_token_of_another_issuer_opens_nothing(cluster: Cluster, guest: Guest, tmp_path: Path) -> None:
    for program in (cluster.rvps, cluster.service):
        cluster.start(program)
    other = tmp_path / "other"
    other.mkdir()
    (tmp_path / "root.pem").write_bytes(issue_chain(other).read_bytes())
    cluster.start(cluster.kbs)
    assert guest.send("POST", f"/kbs/v0/resource/{PATH}", SECRET).status == 200
    answer, challenge = attested(guest)
    assert answer.status == 200
    refused = guest.resource(PATH, Cookie=challenge.cookie)
    assert refused.status == 401
    assert refused.json["type"].endswith("/TokenVerifierError")


def test_both_servers_say_that_they_are_healthy(cluster: Cluster) -> None:
    cluster.start(cluster.rvps)
    cluster.start(cluster.service)
    names = {
        cluster.rvps_port: ["", "reference.ReferenceValueProviderService"],
        cluster.as_port: ["", "attestation.AttestationService", "reference.ReferenceValueProviderService"],
    }
    for port, served in names.items():
        with Client(port) as client:
            for name in served:
                request = b"\x0a" + bytes([len(name)]) + name.encode()
                assert client.ask(HEALTH, request).response == b"\x08\x01"
            assert client.ask(HEALTH, b"\x0a\x05other").code == 5


def test_the_tool_at_a_real_server(cluster: Cluster, tmp_path: Path) -> None:
    cluster.start(cluster.rvps)
    address = f"http://127.0.0.1:{cluster.rvps_port}"
    path = tmp_path / "message.json"
    path.write_bytes(message({"svn": ["1"]}))
    done = run("rvps-tool", "register", "-p", path, "-a", address)
    assert (done.status, done.stdout) == (0, "")
    done = run("rvps-tool", "query", "-r", "svn", "-a", address)
    assert (done.status, done.stdout, done.stderr) == (0, '["1"]\n', "")
    done = run("rvps-tool", "query", "-r", "none", "-a", address)
    assert (done.status, done.stdout) == (1, "")
    assert "[RVPS-MISSING]" in done.stderr
    path.write_text('{"type": "nosuch", "payload": ""}')
    done = run("rvps-tool", "register", "-p", path, "-a", address)
    assert done.status == 1
    assert done.stderr == "Could not find extractor for nosuch [RVPS-EXTRACTOR]\n  use one of sample\n"
    done = run("rvps-tool", "query", "-r", "svn", "-a", f"127.0.0.1:{free_port()}")
    assert (done.status, "[RVPS-UNREACHABLE]" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("program", "arguments", "code"),
    [
        ("grpc-as", ["-t", "cert.pem"], "AS-HTTPS"),
        ("grpc-as", ["-s", "localhost:3000"], "LISTEN-ADDRESS"),
        ("grpc-as", ["-c", "nosuch.json"], "CONFIG-FILE"),
        ("rvps", ["-c", "nosuch.json"], "CONFIG-FILE"),
        ("rvps", ["-a", "50003"], "LISTEN-ADDRESS"),
    ],
)
def test_what_stops_a_start_is_said_in_one_place(tmp_path: Path, program: str, arguments: list[str], code: str) -> None:
    done = run(program, *arguments, cwd=tmp_path)
    assert done.status == 1
    assert f"[{code}]" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_stops_the_start_and_leaves_nothing_behind(tmp_path: Path) -> None:
    port = free_port()
    with Program("rvps", "-a", f"127.0.0.1:{port}", ready=Tcp(port)):
        done = run("grpc-as", "-s", f"127.0.0.1:{port}", env={"TMPDIR": str(tmp_path)})
    assert (done.status, "[LISTEN]" in done.stderr) == (1, True)
    assert list(tmp_path.iterdir()) == []


def test_a_server_leaves_nothing_behind(tmp_path: Path) -> None:
    port = free_port()
    with Program("grpc-as", "-s", f"127.0.0.1:{port}", ready=Tcp(port), env={"TMPDIR": str(tmp_path)}) as program:
        (folder,) = tmp_path.iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700
        assert program.stop() == 0
    assert list(tmp_path.iterdir()) == []
