"""What was recorded of the stock `grpc-as`, replayed against ours, and what a stock broker asks of one.

Compared are status, texts, and tokens whole: header and payload byte for byte, but for dates, keys and the signature. A
refusal's text must be the recorded one, then at most advice in parentheses and a code in brackets. What differs on
purpose stands in `DIVERGENCES`, and nothing else may.
"""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Final

import pytest
from attestation_protocol.errors import code_of
from attestation_protocol.stubs.attestation_pb2 import AttestationRequest, AttestationResponse
from attestation_protocol.stubs.older_attestation_pb2 import OlderAttestationRequest

from tests.conformance import wire_table
from tests.conformance.grpc_replay import Answer, Client
from tests.conformance.recordings import rpc_recording
from tests.conformance.test_as_recordings import is_with_code, make_signer, stable, token_parts
from tests.integration.processes import Program, Tcp, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conformance.recordings import Call

SERVICE: Final = "attestation.AttestationService"
EVALUATE: Final = f"/{SERVICE}/AttestationEvaluate"
RECORDED: Final = rpc_recording("as/as-grpc")
FROM_A_STOCK_KBS: Final = rpc_recording("remote/kbs-to-as")
QUICK_START: Final = 13
"""The position of the SNP evidence of version 2, which upstream refuses today."""

DIVERGENCES: Final = {QUICK_START: ("code 10 -> 0", "SNP reports of version 2")}
"""By position: what differs, and the row of docs/differences.d/as.md for it."""
CODES: Final = {
    1: "SAMPLE-REPORT-DATA",
    4: "SAMPLE-REPORT-DATA",
    5: "POLICY-MISSING",
    7: "AS-NO-EVIDENCE",
    8: "TEE-UNKNOWN",
    9: "BASE64URL",
    10: "JSON",
    12: "TEE-UNKNOWN",
    14: "HASH-ALGORITHM",
    18: "POLICY-PARSE",
    19: "AS-CHALLENGE",
    20: "AS-CHALLENGE",
}
EXPRESSIBLE: Final = [
    number
    for number, call in enumerate(RECORDED)
    if call.method == "AttestationEvaluate"
    and call.note != "init data toml"
    and len(AttestationRequest.FromString(call.request).verification_requests) == 1
]
"""Positions of what the older form can ask: exactly one piece of evidence, and init-data as its digest."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("as")


@pytest.fixture(scope="module")
def port(folder: Path) -> Iterator[int]:
    """One server for all, with a signing key and a chain of two certificates, as the recorded one had."""
    key, chain, config = folder / "token.key", folder / "chain.pem", folder / "as.json"
    make_signer(key, chain)
    signer = {"key_path": str(key), "cert_path": str(chain)}
    config.write_text(json.dumps({"attestation_token_broker": {"duration_min": 5, "signer": signer}}))
    number = free_port()
    with Program("grpc-as", "-c", config, "-s", f"127.0.0.1:{number}", ready=Tcp(number)):
        yield number


@pytest.fixture(scope="module")
def outcomes(port: int) -> list[Answer]:
    with Client(port) as client:
        return [client.replay(SERVICE, call) for call in RECORDED]


@pytest.mark.parametrize("number", range(len(RECORDED)), ids=[f"{call.method}-{call.note}" for call in RECORDED])
def test_the_service_answers_as_recorded(number: int, outcomes: list[Answer]) -> None:
    expected, row = DIVERGENCES.get(number, ("", ""))
    found = "; ".join(differences(RECORDED[number], outcomes[number]))
    call = RECORDED[number]
    what = f"{call.method} {call.note}"
    wire_table.add("as/as-grpc", number, "our server", what, difference=found, allowed_by=row)
    assert found == expected


def test_every_refusal_ends_with_its_code(outcomes: list[Answer]) -> None:
    assert {n: code_of(answer.message) for n, answer in enumerate(outcomes) if answer.code} == CODES


@pytest.mark.parametrize("number", EXPRESSIBLE)
def test_the_older_form_of_a_request_is_answered_alike(number: int, port: int, outcomes: list[Answer]) -> None:
    request = AttestationRequest.FromString(RECORDED[number].request)
    (each,) = request.verification_requests
    older = OlderAttestationRequest(
        tee=each.tee,
        evidence=each.evidence,
        runtime_data_hash_algorithm=each.runtime_data_hash_algorithm,
        policy_ids=request.policy_ids,
    )
    if each.HasField("raw_runtime_data"):
        older.raw_runtime_data = each.raw_runtime_data
    if each.HasField("structured_runtime_data"):
        older.structured_runtime_data = each.structured_runtime_data
    if each.HasField("init_data_digest"):
        older.raw_init_data = each.init_data_digest
    with Client(port) as client:
        answer = client.ask(EVALUATE, older.SerializeToString())
    expected = outcomes[number]
    assert (answer.code, answer.message) == (expected.code, expected.message)
    if answer.code == 0:
        assert stable_token(answer.response) == stable_token(expected.response)


def test_a_stock_broker_is_served(tmp_path: Path) -> None:
    config, number = tmp_path / "as.json", free_port()
    config.write_text("{}")  # the recorded service signed with a key of its process
    with Program("grpc-as", "-c", config, "-s", f"127.0.0.1:{number}", ready=Tcp(number)), Client(number) as client:
        answers = [client.replay("", call) for call in FROM_A_STOCK_KBS]
    pairs = zip(FROM_A_STOCK_KBS, answers, strict=True)
    assert ["; ".join(differences(call, answer)) for call, answer in pairs] == [""] * len(answers)
    assert [code_of(answer.message) for answer in answers if answer.code] == ["POLICY-PARSE", "VERIFIER-NONE"]


def test_the_jwk_set_is_there_for_http_clients_on_the_same_port(port: int, outcomes: list[Answer]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/.well-known/jwks.json")
    answer = connection.getresponse()
    (jwk,) = json.loads(answer.read())["keys"]
    connection.close()
    assert (answer.status, answer.getheader("content-type")) == (200, "application/json")
    header = json.loads(token_parts(AttestationResponse.FromString(outcomes[0].response).attestation_token.encode())[0])
    assert header["jwk"] == jwk
    assert len(jwk["x5c"]) == 2


def test_every_divergence_has_its_row(request: pytest.FixtureRequest) -> None:
    rows = (request.config.rootpath / "docs" / "differences.d" / "as.md").read_text()
    assert [row for _, row in DIVERGENCES.values() if row not in rows] == []


def differences(recorded: Call, fresh: Answer) -> Iterator[str]:
    """Say what differs beyond what is volatile."""
    if recorded.code != fresh.code:
        yield f"code {recorded.code} -> {fresh.code}"
    elif recorded.code:
        if not is_with_code(recorded.message, fresh.message):
            yield f"text {fresh.message}"
    elif recorded.method.endswith("AttestationEvaluate"):
        if stable_token(recorded.response) != stable_token(fresh.response):
            yield "token"
    elif recorded.response != fresh.response:
        yield f"response {fresh.response!r}"


def stable_token(response: bytes) -> list[str]:
    """What of a token does not change from one to the next."""
    token = AttestationResponse.FromString(response).attestation_token
    return [stable(part) for part in token_parts(token.encode())]
