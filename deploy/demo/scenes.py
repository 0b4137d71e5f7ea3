"""The scenes, in order. Each expects what it shows: the first surprise ends the demonstration."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from deploy.demo.passport import passport
from deploy.demo.stage import RED, Stage, expect

if TYPE_CHECKING:
    import subprocess

EVIDENCE: Final = Path(__file__).parents[2] / "tests" / "conformance" / "snp" / "seed" / "evidence.json"
SECRET: Final = b"the moon is made of basalt"
RESOURCE: Final = "default/key/1"
POLICY: Final = """package policy

import rego.v1

default allow := false

# The submodule of the CPU must be affirming, and only this one folder is given away.
allow if {
	data.plugin == "resource"
	data["resource-path"][0] == "default"
	input.submods.cpu0["ear.status"] == "affirming"
}
"""
REFERENCE_VALUES: Final = (
    ("launch_digest", "abcde"),
    ("svn", "1"),
    ("major_version", "1", "--as-integer", "--as-single-value"),
    ("minimum_minor_version", "4", "--as-integer", "--as-single-value"),
)
INSECURE: Final = {"ATTESTACK_INSECURE_SAMPLE_EVIDENCE": "1"}


def play(stage: Stage) -> None:
    """Play all scenes. Raises SurpriseError at the first surprise."""
    trustee = start_trustee(stage)
    start_guest(stage)
    refuse_an_empty_attestation(stage)
    refuse_the_sample_guest(stage)
    configure(stage, trustee)
    release(stage)
    appraise_milan(stage)
    refuse_a_changed_bit(stage)
    passport(stage)


def start_trustee(stage: Stage, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start broker, attestation service and reference values: no configuration file."""
    socket = f"127.0.0.1:{stage.ports.kbs}"
    process = stage.start("trustee", "run", "--socket", socket, env=env, ready=stage.ports.kbs)
    stage.tell("trustee", f"serves on http://{socket}: keys, SQLite store and a one-day admin token in its home")
    return process


def start_guest(stage: Stage) -> None:
    """Start the three programs of a confidential machine."""
    agent, hub = stage.folder / "attestation-agent.sock", stage.folder / "cdh.sock"
    broker = f"http://127.0.0.1:{stage.ports.kbs}"
    agent_config, hub_config = stage.folder / "aa.toml", stage.folder / "cdh.toml"
    agent_config.write_text(f'[token_configs.kbs]\nurl = "{broker}"\n')
    hub_config.write_text(
        f'socket = "unix://{hub}"\n[aa]\naa_socket = "unix://{agent}"\n[kbc]\nname = "cc_kbc"\nurl = "{broker}"\n'
    )
    stage.start("attestation-agent", "--attestation_sock", f"unix://{agent}", "-c", str(agent_config), ready=agent)
    stage.start("confidential-data-hub", "-c", str(hub_config), ready=hub)
    rest = f"127.0.0.1:{stage.ports.rest}"
    addresses = ("--cdh_addr", f"unix://{hub}", "--aa_addr", f"unix://{agent}")
    stage.start("api-server-rest", "--features", "all", "--bind", rest, *addresses, ready=stage.ports.rest)
    stage.tell("guest", f"agent, hub and REST server run; workloads ask http://{rest}")


def refuse_an_empty_attestation(stage: Stage) -> None:
    """(a) Whatever is sent to the broker, it answers."""
    stage.scene("(a) An empty attestation gets an error document")
    stage.tell("you", f"$ curl -X POST http://127.0.0.1:{stage.ports.kbs}/kbs/v0/attest")
    status, body = stage.request("POST", stage.ports.kbs, "/kbs/v0/attest")
    stage.tell("broker", f"{status} {body.decode()}")
    document = json.loads(body)
    expect(status == 401 and document["type"].endswith("/AttestationError"), "the broker did not refuse it")  # noqa: PLR2004


def refuse_the_sample_guest(stage: Stage) -> None:
    """(b) Sample evidence attests, and gets nothing."""
    stage.scene("(b) A machine without a TEE is refused: its evidence proves nothing")
    done = _kbs_client(stage, "get-resource", "--path", "my_repo/resource_type/123abc")
    stage.tell("kbs-client", done.err.strip())
    expect(done.status != 0 and "PolicyDeny" in done.err, "the sample guest was not refused by policy")
    expect("Access denied by policy" in done.err, "the refusal does not say why")
    status, body = _workload(stage)
    expect(status != 200, "a workload got a secret on sample evidence")  # noqa: PLR2004
    expect(b"SAMPLE-EVIDENCE" in body, "the workload was not told why")


def configure(stage: Stage, trustee: subprocess.Popen[bytes]) -> None:
    """(c) The operator decides what is good, and what is given to whom."""
    stage.scene("(c) The operator stores a resource, a policy and reference values")
    secret, policy = stage.folder / "secret", stage.folder / "policy.rego"
    secret.write_bytes(SECRET)
    policy.write_text(POLICY)
    _config(stage, "set-resource", "--path", RESOURCE, "--resource-file", "secret")
    _config(stage, "set-resource-policy", "--policy-file", "policy.rego")
    for name, *value in REFERENCE_VALUES:
        _config(stage, "set-sample-reference-value", name, *value)
    stage.stop(trustee)
    start_trustee(stage, INSECURE)
    stage.tell(
        "trustee",
        "RESTARTED WITH ATTESTACK_INSECURE_SAMPLE_EVIDENCE=1: secrets are now released on sample evidence,\n"
        "which anybody can make up. Never set this where a secret matters.",
        colour=RED,
    )


def release(stage: Stage) -> None:
    """(d) The guest attests, and the workload has its bytes."""
    stage.scene("(d) The guest attests again, and the workload gets its secret")
    status, body = _workload(stage)
    expect(status == 200 and body == SECRET, f"the workload did not get the secret: {status} {body!r}")  # noqa: PLR2004


def appraise_milan(stage: Stage) -> None:
    """(e) Evidence from real hardware, up to the vendor's root."""
    stage.scene("(e) Evidence of a real AMD Milan machine is appraised")
    port = stage.ports.attestation_service
    stage.start("restful-as", "--socket", f"127.0.0.1:{port}", ready=port)
    stage.tell("you", f"$ curl -X POST http://127.0.0.1:{port}/attestation -d @request.json     (the quick start's)")
    status, token = _appraise(stage, EVIDENCE.read_bytes())
    expect(status == 200, f"the evidence was refused: {token.decode()}")  # noqa: PLR2004
    claims = json.loads(_b64url(token.split(b".")[1]))
    stage.tell("restful-as", json.dumps(_summary(claims), indent=2))
    checks = stage.command("attestack", "verify", "--tee", "snp", str(EVIDENCE))
    stage.tell("attestack", checks.out.strip())
    expect(checks.status == 0, f"the findings are not all good: {checks.err}")
    evidence = claims["submods"]["cpu0"]["ear.veraison.annotated-evidence"]
    expect(evidence["snp"]["measurement"].startswith("a1f3930413247bb3"), "another machine was measured")


def refuse_a_changed_bit(stage: Stage) -> None:
    """(f) The least forgery is found, and named."""
    stage.scene("(f) The same evidence with one bit changed is refused")
    evidence = json.loads(EVIDENCE.read_bytes())
    evidence["attestation_report"]["measurement"][0] ^= 1
    status, answer = _appraise(stage, json.dumps(evidence).encode())
    stage.tell("restful-as", f"{status} {answer.decode()}")
    expect(status != 200, "a changed report was accepted")  # noqa: PLR2004
    expect(b"SNP-SIGNATURE" in answer, "the check that failed is not named")


def _kbs_client(stage: Stage, *arguments: str) -> Any:  # noqa: ANN401  # an Ended
    return stage.command("kbs-client", "--url", f"http://127.0.0.1:{stage.ports.kbs}", *arguments)


def _config(stage: Stage, *arguments: str) -> None:
    done = _kbs_client(stage, "config", *arguments)
    expect(done.status == 0, f"kbs-client failed: {done.err}")


def _workload(stage: Stage) -> tuple[int, bytes]:
    path = f"/cdh/resource/{RESOURCE}"
    stage.tell("workload", f"$ curl http://127.0.0.1:{stage.ports.rest}{path}")
    status, body = stage.request("GET", stage.ports.rest, path)
    stage.tell("workload", f"{status} {body.decode()}")
    return status, body


def _appraise(stage: Stage, evidence: bytes) -> tuple[int, bytes]:
    text = base64.urlsafe_b64encode(evidence).rstrip(b"=").decode()
    request = json.dumps({"tee": "snp", "evidence": text, "policy_ids": []}).encode()
    return stage.request("POST", stage.ports.attestation_service, "/attestation", request)


def _b64url(text: bytes) -> bytes:
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))


def _summary(claims: dict[str, Any]) -> dict[str, Any]:
    cpu = claims["submods"]["cpu0"]
    snp = cpu["ear.veraison.annotated-evidence"]["snp"]
    return {
        "eat_profile": claims["eat_profile"],
        "submods": {
            "cpu0": {
                "ear.status": cpu["ear.status"],
                "ear.trustworthiness-vector": cpu["ear.trustworthiness-vector"],
                "snp": snp,
            }
        },
    }
