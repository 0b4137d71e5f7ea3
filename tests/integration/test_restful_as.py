"""`restful-as` as a real process: the published quick start, refusals by name, HTTPS, storage, a lying KDS."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.client
import json
import shutil
import ssl
import subprocess
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from attestation_protocol.errors import code_of

from tests.conformance.recordings import http_recording
from tests.conformance.test_as_recordings import make_signer
from tests.integration.processes import Program, Tcp, free_port, run
from tests.unit.attestation_service.kds import Answer, Kds
from tests.unit.attestation_service.service_bench import genoa, milan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUICK_START = http_recording("as/as-rest-attestation").steps[14].request
"""The request of the published quick start: one piece of SNP evidence, in the older form."""


@contextlib.contextmanager
def restful_as(*arguments: str | Path) -> Iterator[tuple[Program, int]]:
    port = free_port()
    with Program("restful-as", "-s", f"127.0.0.1:{port}", *arguments, ready=Tcp(port)) as program:
        yield program, port


def ask(port: int, method: str, target: str, body: bytes = b"", tls: ssl.SSLContext | None = None) -> tuple[int, str]:
    connection: http.client.HTTPConnection
    if tls is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    else:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=tls)
    try:
        connection.request(method, target, body or None, {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def claims(port: int, token: str) -> dict[str, Any]:
    """Check a token against the JWK set that the service serves."""
    status, body = ask(port, "GET", "/.well-known/jwks.json")
    assert status == 200
    (jwk,) = json.loads(body)["keys"]
    decoded: dict[str, Any] = jwt.decode(token, jwt.PyJWK(jwk).key, algorithms=["ES256"])
    return decoded


def request(evidence: Any, **members: Any) -> bytes:
    encoded = base64.urlsafe_b64encode(json.dumps(evidence).encode()).decode().rstrip("=")
    pieces = [{"tee": "snp", "evidence": encoded, **members}]
    return json.dumps({"verification_requests": pieces, "policy_ids": []}).encode()


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_request_of_the_quick_start_word_for_word(tmp_path: Path) -> None:
    folder = tmp_path / "tests" / "coco-as"
    folder.mkdir(parents=True)
    (folder / "request.json").write_bytes(QUICK_START.body)
    with restful_as() as (_, port):
        url, header = f"http://127.0.0.1:{port}/attestation", "Content-Type: application/json"
        command = ["curl", "-k", "-X", "POST", url, "-i", "-H", header, "-d", "@tests/coco-as/request.json"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
        head, _, token = done.stdout.replace("\r\n", "\n").partition("\n\n")
        assert head.startswith("HTTP/1.1 200 OK")
        decoded = claims(port, token)
    assert list(decoded["submods"]) == ["cpu0"]
    evidence = decoded["submods"]["cpu0"]["ear.veraison.annotated-evidence"]
    assert evidence["report_data"].startswith("ec6c52d7533cc2c4")
    assert evidence["snp"]["reported_tcb_microcode"] == 115


def test_one_bit_flipped_is_refused_and_the_check_is_named() -> None:
    evidence = milan()
    evidence["attestation_report"]["measurement"][0] ^= 1
    with restful_as() as (program, port):
        status, text = ask(port, "POST", "/attestation", request(evidence))
        assert status == 500
        assert text.startswith(
            "An internal error occured: \n0: attestation report evaluate\n1: Verifier evaluate failed: "
            "Report signature verification against VEK signature failed"
        )
        assert "the key signs the report" in text
        assert code_of(text) == "SNP-SIGNATURE"
    assert "check failed" in program.log
    assert "SNP-SIGNATURE" in program.log
    assert "wanted" in program.log


def test_init_data_that_the_machine_was_not_launched_with_is_refused() -> None:
    toml = 'version = "0.1.0"\nalgorithm = "sha384"\n[data]\na = "b"\n'
    with restful_as() as (program, port):
        status, text = ask(port, "POST", "/attestation", request(milan(), init_data={"init_data_toml": toml}))
    assert status == 500
    assert "1: Verifier evaluate failed: Host Data Mismatch (" in text
    assert code_of(text) == "SNP-HOST-DATA"
    assert "0000000000000000000000000000000000000000000000000000000000000000" in program.log
    assert "0000000000000000000000000000000000000000000000000000000000000000" not in text


def test_policies_and_tokens_over_local_fs_survive_a_restart(tmp_path: Path) -> None:
    key, chain = tmp_path / "token.key", tmp_path / "chain.pem"
    make_signer(key, chain)
    config = tmp_path / "as.json"
    document = {
        "attestation_token_broker": {"signer": {"key_path": str(key), "cert_path": str(chain)}},
        "storage_backend": {"storage_type": "LocalFs", "backends": {"local_fs": {"dir_path": str(tmp_path / "store")}}},
        "rvps_config": {"type": "BuiltIn"},
    }
    config.write_text(json.dumps(document))
    policy = base64.urlsafe_b64encode(b'package policy\ntrust_claims := {"hardware": 2}').decode().rstrip("=")
    with restful_as("-c", config) as (program, port):
        assert ask(port, "POST", "/policy", json.dumps({"policy_id": "mine_cpu", "policy": policy}).encode()) == (
            200,
            "",
        )
        program.restart()
        body = json.loads(request(milan())) | {"policy_ids": ["mine"]}
        status, token = ask(port, "POST", "/attestation", json.dumps(body).encode())
        assert status == 200
        assert len(jwt.get_unverified_header(token)["jwk"]["x5c"]) == 2
        assert claims(port, token)["submods"]["cpu0"]["ear.status"] == "affirming"
    names = sorted(path.name for path in (tmp_path / "store" / "attestation_service_policy").iterdir())
    assert names == [
        "default_cpu.rego",
        "default_gpu.rego",
        "default_ppcie.rego",
        "default_switch.rego",
        "mine_cpu.rego",
    ]


def test_https_with_both_files(tmp_path: Path) -> None:
    key, chain = tmp_path / "tls.key", tmp_path / "tls.pem"
    make_signer(key, chain)
    trust_all = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust_all.check_hostname, trust_all.verify_mode = False, ssl.CERT_NONE
    with restful_as("-t", chain, "-k", key) as (_, port):
        assert ask(port, "GET", "/healthz", tls=trust_all) == (200, "")


@pytest.mark.parametrize(
    ("arguments", "config", "code"),
    [
        (["-t", "cert.pem"], None, "AS-HTTPS"),
        (["-k", "key.pem"], None, "AS-HTTPS"),
        ([], {"attestation_token_broker": {"policy_dir": "/policies"}}, "CONFIG-REFUSED-KEY"),
        ([], {"attestation_token_broker": {"type": "Jwt"}}, "CONFIG-VALUE"),
        ([], {"attestation_token_broker": {"signer": {"key_path": "/nonexistent/key"}}}, "FILE-READ"),
        ([], {"rvps_config": {"type": "GrpcRemote", "address": "unix:///rvps.sock"}}, "GRPC-ADDRESS"),
        ([], {"rvps_config": {"type": "BuiltIn", "storage_type": "LocalFs"}}, "STORAGE-TABLE"),
        ([], {"verifier_config": {"snp_verifier": {"max_vmpl": 7}}}, "CONFIG"),
        (["--strict-config"], {"work_dir": "/var/lib"}, "CONFIG-UNKNOWN-KEY"),
        (["--strict-config"], {"verifier_config": {"snp_verifier": {"alow_debug": True}}}, "CONFIG-UNKNOWN-KEY"),
    ],
)
def test_what_stops_the_start_is_said_in_one_place(
    tmp_path: Path, arguments: list[str], config: dict[str, Any] | None, code: str
) -> None:
    if config is not None:
        path = tmp_path / "as.json"
        path.write_text(json.dumps(config))
        arguments = [*arguments, "-c", str(path)]
    done = run("restful-as", "-s", f"127.0.0.1:{free_port()}", *arguments)
    assert done.status == 1
    assert f"[{code}]" in done.stderr
    assert "Traceback" not in done.stderr


async def test_a_key_distribution_service_that_lies_is_found_out(tmp_path: Path) -> None:
    evidence, vcek = genoa()
    async with Kds(Answer(vcek[:-1] + bytes([vcek[-1] ^ 1]))) as kds:
        config = tmp_path / "as.json"
        sources = [{"type": "KDS", "base_url": kds.url}, {"type": "OfflineStore", "path": str(tmp_path)}]
        config.write_text(json.dumps({"verifier_config": {"snp_verifier": {"vcek_sources": sources}}}))
        port = free_port()
        program = Program("restful-as", "-s", f"127.0.0.1:{port}", "-c", config, ready=Tcp(port))
        await asyncio.to_thread(program.start)
        try:
            status, text = await asyncio.to_thread(ask, port, "POST", "/attestation", request(evidence))
            assert (status, code_of(text)) == (500, "SNP-VEK-SIGNATURE")
            await asyncio.to_thread(program.restart)
            kds.answer = Answer(b"", 429, {"retry-after": "60"})
            status, text = await asyncio.to_thread(ask, port, "POST", "/attestation", request(evidence))
            assert (status, code_of(text)) == (500, "AS-ENDORSEMENT-UNAVAILABLE")
            assert "1: Verifier evaluate failed: Failed to fetch VCEK from any configured source (" in text
            assert kds.url not in text
            assert kds.url in program.log
            assert await asyncio.to_thread(ask, port, "GET", "/healthz") == (200, "")
            await asyncio.to_thread(program.restart)
            kds.answer = Answer(vcek)
            status, token = await asyncio.to_thread(ask, port, "POST", "/attestation", request(evidence))
            assert status == 200
            assert list((await asyncio.to_thread(claims, port, token))["submods"]) == ["cpu0"]
        finally:
            await asyncio.to_thread(program.stop)


def test_pages_of_an_allowed_origin_may_ask() -> None:
    with restful_as("-r", "https://app.example,app.invalid") as (program, port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        headers = {"origin": "https://app.example", "access-control-request-method": "POST"}
        connection.request("OPTIONS", "/attestation", headers=headers)
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.getheader("access-control-allow-origin") == "https://app.example"
        connection.close()
    assert "app.invalid" in program.log
