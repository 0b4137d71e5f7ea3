"""Requests to `grpc-as`, as protobuf messages, into typed objects. Pure.

Two generations of `AttestationEvaluate` are in the field, and both become the same requests. A value that is refused is
a RequestError, whose `layers` hold the whole text that the Rust service answers with; a message that does not decode is
the Refusal of `grpc_messages`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attestation_protocol.encoding import b64url_decode, parse_json
from attestation_protocol.errors import EncodingError, InitDataError, MessageError
from attestation_protocol.hashes import HashAlgorithm
from attestation_protocol.init_data import InitData
from attestation_protocol.stubs.attestation_pb2 import (
    AttestationRequest,
    ChallengeRequest,
    IndividualAttestationRequest,
    SetPolicyRequest,
)
from attestation_protocol.stubs.older_attestation_pb2 import OlderAttestationRequest
from attestation_protocol.tee import Tee
from trustee_core.grpc_messages import parsed

from attestation_service.contract import EvidenceRequest, RawRuntimeData, StructuredInitData, StructuredRuntimeData
from attestation_service.errors import RequestError
from attestation_service.grpc_generations import Generation, generation_of
from attestation_service.peer_texts import base64_text, json_text
from attestation_service.rest_requests import OLDER_TEE_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

TEES: Final = frozenset(Tee) - {Tee.SAMPLE_DEVICE, Tee.NVIDIA_DPU}
"""The TEEs that are taken over gRPC, as upstream: no sample device, and no DPU."""


def parse_attestation(message: bytes) -> tuple[list[EvidenceRequest], list[str]]:
    """Read the message of `AttestationEvaluate`: pieces of evidence and policy ids. Raises RequestError, Refusal."""
    generation = generation_of(message)
    if generation is Generation.OLDER:
        older = parsed(OlderAttestationRequest, message)
        return [_older(older)], list(older.policy_ids)
    if generation is Generation.NUMBERED:
        raise RequestError(
            "parse TEE type: the TEE is a number",
            code="AS-REQUEST-GENERATION",
            advice="clients from before May 2024 number the TEEs: use a client of v0.9.0 or later",
        )
    request = parsed(AttestationRequest, message)
    return [_evidence(each) for each in request.verification_requests], list(request.policy_ids)


def parse_policy(message: bytes) -> tuple[str, str]:
    """Read the message of `SetAttestationPolicy`: the policy id, and the policy in b64url. Raises Refusal."""
    request = parsed(SetPolicyRequest, message)
    return request.policy_id, request.policy


def parse_challenge(message: bytes) -> tuple[Tee, str]:
    """Read the message of `GetAttestationChallenge`: the TEE, and its parameters. Raises RequestError, Refusal."""
    inner = parsed(ChallengeRequest, message).inner
    for name in ("tee", "tee_params"):
        if name not in inner:
            raise RequestError(f"Error parse inner_tee {name}", code="AS-CHALLENGE", advice=f"send a string `{name}`")
    return _tee(inner["tee"], "Error parse TEE type"), inner["tee_params"]


def evaluation_text(layers: Sequence[str]) -> str:
    """Say why an evaluation failed, the outermost layer first."""
    return "Attestation evaluation failed: " + "".join(f"\n{number}: {layer}" for number, layer in enumerate(layers))


def _evidence(request: IndividualAttestationRequest) -> EvidenceRequest:
    tee = _tee(request.tee)
    evidence = _json_of_base64(request.evidence)
    runtime_data = _runtime_data(request)
    init_data: InitData | bytes | None = None
    match request.WhichOneof("init_data"):
        case "init_data_digest":
            init_data = _bytes_of(request.init_data_digest, "base64 decode init data")
        case "init_data_toml":
            init_data = _init_data(request.init_data_toml)
    algorithm = _hash_algorithm(request.runtime_data_hash_algorithm, "runtime")
    return EvidenceRequest(tee, evidence, runtime_data, algorithm, init_data)


def _older(request: OlderAttestationRequest) -> EvidenceRequest:
    tee = _tee(OLDER_TEE_NAMES.get(request.tee, request.tee))
    evidence = _json_of_base64(request.evidence)
    runtime_data = _runtime_data(request)
    init_data: StructuredInitData | bytes | None = None
    match request.WhichOneof("init_data"):
        case "raw_init_data":
            init_data = _bytes_of(request.raw_init_data, "base64 decode init data")
        case "structured_init_data":
            value = _json_of(request.structured_init_data, "parse structured init data")
            init_data = StructuredInitData(value, _hash_algorithm(request.init_data_hash_algorithm, "init"))
    algorithm = _hash_algorithm(request.runtime_data_hash_algorithm, "runtime")
    return EvidenceRequest(tee, evidence, runtime_data, algorithm, init_data)


def _tee(name: str, place: str = "parse TEE type") -> Tee:
    try:
        tee = Tee(name)
    except ValueError:
        tee = None
    if tee is None or tee not in TEES:
        known = ", ".join(sorted(TEES))
        raise RequestError(
            f"{place}: Unsupported TEE type: {name:.60}", code="TEE-UNKNOWN", advice=f"known over gRPC: {known}"
        )
    return tee


def _json_of_base64(text: str) -> Any:  # noqa: ANN401  # evidence is any JSON value; its verifier reads it
    return _json_of(_bytes_of(text, "Illegal input Evidence"), "failed to parse tee evidence")


def _runtime_data(
    request: IndividualAttestationRequest | OlderAttestationRequest,
) -> RawRuntimeData | StructuredRuntimeData | None:
    match request.WhichOneof("runtime_data"):
        case "raw_runtime_data":
            return RawRuntimeData(_bytes_of(request.raw_runtime_data, "base64 decode runtime data"))
        case "structured_runtime_data":
            return StructuredRuntimeData(_json_of(request.structured_runtime_data, "parse structured runtime data"))
    return None


def _init_data(text: str) -> InitData:
    try:
        return InitData.parse(text)
    except InitDataError as error:
        whole = evaluation_text(("parse init data", "parse TOML structured data", error.message))
        raise RequestError(error.message, code=error.code, advice=error.advice, layers=(whole,)) from None


def _hash_algorithm(name: str, kind: str) -> HashAlgorithm:
    if not name:
        return HashAlgorithm.SHA384
    try:
        return HashAlgorithm.parse(name)
    except MessageError as error:
        text = f"parse {kind} data HashAlgorithm failed: Matching variant not found"
        advice = f"use one of {', '.join(HashAlgorithm)}"
        raise RequestError(error.message, code=error.code, advice=advice, layers=(text,)) from None


def _bytes_of(text: str, place: str) -> bytes:
    try:
        return b64url_decode(text)
    except EncodingError as error:
        advice = "encode with the URL-safe alphabet, without padding"
        whole = f"{place}: {base64_text(text)}"
        raise RequestError(error.message, code=error.code, advice=advice, layers=(whole,)) from None


def _json_of(text: bytes | str, place: str) -> Any:  # noqa: ANN401  # any JSON value
    try:
        return parse_json(text)
    except EncodingError as error:
        raw = text.encode() if isinstance(text, str) else text
        whole = f"{place}: {json_text(raw, error.message)}"
        raise RequestError(error.message, code=error.code, advice=error.advice, layers=(whole,)) from None
