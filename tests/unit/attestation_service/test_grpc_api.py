"""The methods of `grpc-as`, and the JWK set beside them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from attestack_common.errors import AttestackError
from attestack_common.grpc_edge import Refusal, Status
from attestack_common.http_server import Request
from attestation_protocol.stubs.attestation_pb2 import (
    AttestationRequest,
    AttestationResponse,
    ChallengeRequest,
    IndividualAttestationRequest,
    SetPolicyRequest,
)
from attestation_protocol.stubs.reference_pb2 import ReferenceValueQueryRequest, ReferenceValueRegisterRequest
from attestation_service.grpc_api import GrpcApi

from tests.unit.attestation_service.service_bench import make_bench
from tests.unit.attestation_service.test_grpc_requests import b64

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.unit.attestation_service.service_bench import Bench


@pytest.fixture
async def bench() -> Bench:
    return await make_bench()


@pytest.fixture
def api(bench: Bench) -> GrpcApi:
    return GrpcApi(bench.service)


def evaluation(report_data: str = "", **fields: Any) -> bytes:
    evidence = b64({"svn": "1", "report_data": report_data})
    individual = IndividualAttestationRequest(tee="sample", evidence=evidence, **fields)
    return AttestationRequest(verification_requests=[individual]).SerializeToString()


async def refused(method: Callable[[bytes], Awaitable[bytes]], message: bytes) -> str:
    with pytest.raises(Refusal) as caught:
        await method(message)
    assert caught.value.status is Status.ABORTED
    return caught.value.text


async def test_evidence_becomes_a_token(api: GrpcApi, bench: Bench) -> None:
    answer = AttestationResponse.FromString(await api.evaluate(evaluation()))
    key = jwt.PyJWK(bench.signer.jwk).key
    claims = jwt.decode(answer.attestation_token, key, ["ES256"], options={"verify_exp": False})
    assert list(claims["submods"]) == ["cpu0"]


async def test_refused_evidence_says_why_from_the_outside_in(api: GrpcApi) -> None:
    text = await refused(api.evaluate, evaluation("AAAA", structured_runtime_data="{}"))
    assert text.startswith("Attestation evaluation failed: \n0: Verifier evaluate failed: Evidence's identity ")
    assert text.endswith(" [SAMPLE-REPORT-DATA]")


async def test_no_evidence_is_refused(api: GrpcApi) -> None:
    text = await refused(api.evaluate, b"")
    assert text.startswith("Attestation evaluation failed: \n0: No verification requests provided. (")
    assert text.endswith(" [AS-NO-EVIDENCE]")


async def test_a_request_that_is_none_is_refused(api: GrpcApi) -> None:
    assert (await refused(api.evaluate, b"\x0a\x03abc")).startswith("parse TEE type: Unsupported TEE type: abc (")


async def test_policies_are_stored_or_refused(api: GrpcApi, bench: Bench) -> None:
    policy = b64(b'package policy\ntrust_claims := {"hardware": 2}')
    assert await api.set_policy(SetPolicyRequest(policy_id="mine_cpu", policy=policy).SerializeToString()) == b""
    assert "mine_cpu" in await bench.service.policies()
    bad = SetPolicyRequest(policy_id="mine_cpu", policy=b64(b"package policy\nx = {")).SerializeToString()
    text = await refused(api.set_policy, bad)
    assert text.startswith("Set Attestation Policy Failed: Failed to load policy: \n--> :2:6\n")
    assert text.endswith(" [POLICY-PARSE]")


async def test_challenges_are_empty_or_refused(api: GrpcApi) -> None:
    sample = ChallengeRequest(inner={"tee": "sample", "tee_params": ""}).SerializeToString()
    assert await api.challenge(sample) == b""
    se = ChallengeRequest(inner={"tee": "se", "tee_params": "{}"}).SerializeToString()
    text = await refused(api.challenge, se)
    assert text.startswith("Challenge: feature `se-verifier` is not enabled for `verifier` crate. (")
    assert text.endswith(" [VERIFIER-NONE]")
    assert (await refused(api.challenge, b"")).startswith("Error parse inner_tee tee (")


async def test_all_is_served_under_its_name(api: GrpcApi) -> None:
    services = {service.name: service for service in api.services()}
    assert {name: sorted(service.methods) for name, service in services.items()} == {
        "attestation.AttestationService": ["AttestationEvaluate", "GetAttestationChallenge", "SetAttestationPolicy"],
        "reference.ReferenceValueProviderService": ["QueryReferenceValue", "RegisterReferenceValue"],
        "grpc.health.v1.Health": ["Check"],
    }
    for name in ("", *list(services)[:2]):
        assert await services["grpc.health.v1.Health"].methods["Check"](b"\x0a" + bytes([len(name)]) + name.encode())


async def test_reference_values_are_passed_on(api: GrpcApi, bench: Bench) -> None:
    reference = next(service for service in api.services() if service.name.startswith("reference."))
    register, query = reference.methods["RegisterReferenceValue"], reference.methods["QueryReferenceValue"]
    assert await register(ReferenceValueRegisterRequest(message="{}").SerializeToString()) == b""
    assert bench.reference_values.messages == ["{}"]
    bench.reference_values.values["svn"] = ["1"]
    request = ReferenceValueQueryRequest(reference_value_id="svn").SerializeToString()
    assert await query(request) == b'\x0a\x05["1"]'
    bench.reference_values.failure = AttestackError("gone", code="RVPS-UNREACHABLE", advice="start it")
    assert await refused(query, request) == ("Failed to query reference values: gone (start it) [RVPS-UNREACHABLE]")
    assert await refused(register, b"") == "Register reference value: gone (start it) [RVPS-UNREACHABLE]"


async def test_the_jwk_set_is_served_and_nothing_else(api: GrpcApi, bench: Bench) -> None:
    found = await api.http(Request("GET", b"/.well-known/jwks.json"))
    assert (found.status, found.content_type) == (200, "application/json")
    assert json.loads(found.body) == {"keys": [bench.signer.jwk]}
    refused = await api.http(Request("POST", b"/.well-known/jwks.json"))
    assert (refused.status, refused.headers) == (405, (("allow", "GET, HEAD"),))
    for path in (b"/", b"/attestation", b"/.well-known/jwks.json/"):
        assert (await api.http(Request("GET", path))).status == 404
