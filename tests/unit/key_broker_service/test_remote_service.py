"""The attestation service behind gRPC: what is sent to it, and what its answers and silences become."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from attestack_common.errors import ConfigError
from attestack_common.grpc_edge import GrpcServer, Refusal, Service, Status
from attestack_common.grpc_edge import channel as channel_module
from attestation_protocol.hashes import HashAlgorithm
from attestation_protocol.init_data import InitData
from attestation_protocol.stubs.attestation_pb2 import (
    AttestationRequest,
    AttestationResponse,
    ChallengeRequest,
    ChallengeResponse,
    IndividualAttestationRequest,
    SetPolicyRequest,
)
from attestation_protocol.stubs.reference_pb2 import ReferenceValueQueryRequest, ReferenceValueQueryResponse
from attestation_protocol.tee import Tee
from attestation_service.contract import EvidenceRequest, RawRuntimeData, StructuredInitData, StructuredRuntimeData
from attestation_service.errors import AttestationServiceError
from key_broker_service import remote_service
from key_broker_service.remote_service import RemoteAttestationService

from tests.integration.processes import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

TOML = 'version = "0.1.0"\nalgorithm = "sha384"\n[data]\na = "b"\n'
SAMPLE_MESSAGE = json.dumps({"type": "sample", "payload": base64.b64encode(b"{}").decode()})


class Peer:
    """A service that keeps what it was sent, and answers what a test says."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, bytes]] = []
        self.answers: dict[str, Any] = {"AttestationEvaluate": AttestationResponse(attestation_token="e30.e30.x")}

    def services(self) -> list[Service]:
        names = ("AttestationEvaluate", "SetAttestationPolicy", "GetAttestationChallenge")
        reference = ("QueryReferenceValue", "RegisterReferenceValue")
        return [
            Service("attestation.AttestationService", {name: self._method(name) for name in names}),
            Service("reference.ReferenceValueProviderService", {name: self._method(name) for name in reference}),
        ]

    def _method(self, name: str) -> Any:
        async def answer(message: bytes) -> bytes:
            self.requests.append((name, message))
            answer = self.answers.get(name, b"")
            if isinstance(answer, Refusal):
                raise answer
            if answer is asyncio.sleep:
                await asyncio.sleep(60)
            return answer if isinstance(answer, bytes) else answer.SerializeToString()

        return answer


@contextlib.asynccontextmanager
async def connected(*, allow_sample: bool = True) -> AsyncIterator[tuple[RemoteAttestationService, Peer]]:
    peer = Peer()
    async with GrpcServer(peer.services(), address="127.0.0.1:0") as server:
        service = RemoteAttestationService(server.address, pool_size=4, allow_sample_reference_values=allow_sample)
        try:
            yield service, peer
        finally:
            await service.close()


async def failure(call: Awaitable[object]) -> AttestationServiceError:
    with pytest.raises(AttestationServiceError) as caught:
        await call
    return caught.value


def evidence(**members: Any) -> EvidenceRequest:
    return EvidenceRequest(Tee.SAMPLE, {"svn": "1", "a": {"ü": 1, "b": 2.5}}, **members)


async def test_evidence_is_sent_field_by_field() -> None:
    runtime_data = StructuredRuntimeData({"nonce": "n", "additional-evidence": ""})
    requests = [
        evidence(runtime_data=runtime_data, init_data=InitData.parse(TOML)),
        EvidenceRequest(Tee.SE, 1, RawRuntimeData(b"\xff\xfe"), HashAlgorithm.SHA512, bytes(32)),
        EvidenceRequest(Tee.SAMPLE_DEVICE, [], None),
    ]
    async with connected() as (service, peer):
        assert await service.evaluate(requests, ["default"]) == "e30.e30.x"
        ((method, message),) = peer.requests
    assert method == "AttestationEvaluate"
    plain = '{"a":{"b":2.5,"ü":1},"svn":"1"}'
    assert AttestationRequest.FromString(message) == AttestationRequest(
        verification_requests=[
            IndividualAttestationRequest(
                tee="sample",
                evidence=base64.urlsafe_b64encode(plain.encode()).decode().rstrip("="),
                structured_runtime_data='{"additional-evidence":"","nonce":"n"}',
                init_data_toml=TOML,
                runtime_data_hash_algorithm="sha384",
            ),
            IndividualAttestationRequest(
                tee="se",
                evidence="MQ",
                raw_runtime_data="__4",
                init_data_digest="A" * 43,
                runtime_data_hash_algorithm="sha512",
            ),
            IndividualAttestationRequest(tee="sampledevice", evidence="W10", runtime_data_hash_algorithm="sha384"),
        ],
        policy_ids=["default"],
    )


async def test_init_data_of_the_older_form_cannot_be_sent() -> None:
    async with connected() as (service, peer):
        older = evidence(init_data=StructuredInitData({}, HashAlgorithm.SHA384))
        assert (await failure(service.evaluate([older]))).code == "AS-REMOTE-INIT-DATA"
        assert peer.requests == []


async def test_policies_and_challenges_are_passed_on() -> None:
    async with connected() as (service, peer):
        peer.answers["GetAttestationChallenge"] = ChallengeResponse(attestation_challenge="challenge")
        await service.set_policy("default_cpu", "cGFja2FnZQ")
        assert await service.challenge(Tee.SE, '""') == "challenge"
        (_, policy), (_, challenge) = peer.requests
    assert SetPolicyRequest.FromString(policy) == SetPolicyRequest(policy_id="default_cpu", policy="cGFja2FnZQ")
    assert ChallengeRequest.FromString(challenge) == ChallengeRequest(inner={"tee": "se", "tee_params": '""'})


async def test_reference_values_go_to_the_same_address() -> None:
    async with connected() as (service, peer):
        await service.register_reference_value(SAMPLE_MESSAGE)
        assert await service.query_reference_value("svn") is None
        peer.answers["QueryReferenceValue"] = ReferenceValueQueryResponse(reference_value_results='["1"]')
        assert await service.query_reference_value("svn") == ["1"]
        assert [name for name, _ in peer.requests] == [
            "RegisterReferenceValue",
            "QueryReferenceValue",
            "QueryReferenceValue",
        ]
        assert ReferenceValueQueryRequest.FromString(peer.requests[1][1]).reference_value_id == "svn"


async def test_the_sample_extractor_is_refused_before_it_is_passed_on() -> None:
    async with connected(allow_sample=False) as (service, peer):
        assert (await failure(service.register_reference_value(SAMPLE_MESSAGE))).code == "RVPS-SAMPLE-REFUSED"
        assert (await failure(service.register_reference_value("junk"))).code == "RVPS-MESSAGE"
        assert peer.requests == []


@pytest.mark.parametrize(
    ("text", "message", "code", "advice"),
    [
        ("Attestation evaluation failed: \n0: no", "Attestation evaluation failed: \n0: no", "AS-REMOTE-REFUSED", ""),
        ("no (do that) [SNP-SIGNATURE]", "no", "SNP-SIGNATURE", "do that"),
    ],
)
async def test_a_refusal_keeps_its_text_and_code(text: str, message: str, code: str, advice: str) -> None:
    async with connected() as (service, peer):
        peer.answers["AttestationEvaluate"] = Refusal(Status.ABORTED, text)
        error = await failure(service.evaluate([evidence()]))
    assert (error.message, error.code, error.advice) == (message, code, advice)


async def test_another_status_is_said_with_the_address() -> None:
    async with connected() as (service, peer):
        peer.answers["AttestationEvaluate"] = Refusal(Status.UNIMPLEMENTED, "Method not found!")
        error = await failure(service.evaluate([evidence()]))
    assert error.code == "AS-REMOTE"
    assert error.message.startswith("the attestation service http://127.0.0.1:")
    assert error.message.endswith(": Method not found!")


@pytest.mark.parametrize(
    "answer",
    [
        b"\x0a\x05ab",
        b"",
        AttestationResponse(attestation_token="tökèn"),
        AttestationResponse(attestation_token="x" * (remote_service.MAX_TOKEN + 1)),
    ],
)
async def test_an_answer_that_is_no_token_is_refused(answer: Any) -> None:
    async with connected() as (service, peer):
        peer.answers["AttestationEvaluate"] = answer
        assert (await failure(service.evaluate([evidence()]))).code == "AS-REMOTE-ANSWER"


async def test_a_reference_value_that_is_not_json_is_refused() -> None:
    async with connected() as (service, peer):
        peer.answers["QueryReferenceValue"] = ReferenceValueQueryResponse(reference_value_results="{")
        assert (await failure(service.query_reference_value("svn"))).code == "AS-REMOTE-ANSWER"


async def test_a_service_that_is_not_there_or_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_module, "RECONNECT_SECONDS", 0.1)
    monkeypatch.setattr(remote_service, "CALL_SECONDS", 0.5)
    nobody = RemoteAttestationService(f"127.0.0.1:{free_port()}", pool_size=1, allow_sample_reference_values=True)
    error = await failure(nobody.evaluate([evidence()]))
    assert error.code == "AS-UNREACHABLE"
    assert error.message.startswith("the attestation service http://127.0.0.1:")
    await nobody.close()
    async with connected() as (service, peer):
        peer.answers["AttestationEvaluate"] = asyncio.sleep
        assert (await failure(service.evaluate([evidence()]))).code == "AS-TIMEOUT"


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError):
        RemoteAttestationService("unix:as.sock", pool_size=1, allow_sample_reference_values=True)
