"""The attestation service behind gRPC: `[attestation_service] type = "coco_as_grpc"`.

What is sent, field by field, is what stock brokers send: evidence as compact JSON in b64url, the runtime data as
compact JSON text, members of both sorted; the init-data as the whole document; one policy id. Reference values go to
the same address, whose service passes them on.

It connects with the first call, so a broker starts before its attestation service does. A call that finds no connection
is tried once more when there is one; `pool_size` bounds the calls under way, over one connection. Who answers there is
not proven but by `https`, and need not be: a token counts for what `[attestation_token]` trusts.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, TypeVar

from attestack_common.errors import AttestackError
from attestack_common.grpc_edge import (
    CallError,
    CallRefusedError,
    CallTimeoutError,
    Channel,
    PeerAddress,
    PeerUnreachableError,
    Status,
)
from attestation_protocol.encoding import b64url_encode, parse_json
from attestation_protocol.errors import EncodingError
from attestation_protocol.init_data import InitData
from attestation_protocol.stubs.attestation_pb2 import (
    AttestationRequest,
    AttestationResponse,
    ChallengeRequest,
    ChallengeResponse,
    IndividualAttestationRequest,
    SetPolicyRequest,
    SetPolicyResponse,
)
from attestation_protocol.stubs.reference_pb2 import (
    ReferenceValueQueryRequest,
    ReferenceValueQueryResponse,
    ReferenceValueRegisterRequest,
    ReferenceValueRegisterResponse,
)
from attestation_service.contract import RawRuntimeData, StructuredRuntimeData
from attestation_service.errors import AttestationServiceError
from google.protobuf.message import DecodeError, Message
from reference_value_provider.client import require_no_sample
from reference_value_provider.grpc_service import NAME as REFERENCE
from trustee_core.grpc_messages import peer_refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attestation_protocol.tee import Tee
    from attestation_service.contract import EvidenceRequest

M = TypeVar("M", bound=Message)

CALL_SECONDS: Final = 45.0
"""How long a call may take: the routes wait 50 seconds for an attestation service, whichever it is."""
MAX_TOKEN: Final = 1024 * 1024
"""Characters of a token."""

_ATTESTATION: Final = "attestation.AttestationService"
_ADVICE: Final = "see whether as_addr is an attestation service, and of which version"


class RemoteAttestationService:
    """An `AttestationBackend` at one address."""

    def __init__(self, address: str, *, pool_size: int, allow_sample_reference_values: bool) -> None:
        """`address` is that of a peer, `host:port` or a URL. Raises ConfigError."""
        self._channel = Channel(PeerAddress.parse(address), max_calls=pool_size)
        self._allow_sample = allow_sample_reference_values

    async def evaluate(self, requests: Sequence[EvidenceRequest], policy_ids: Sequence[str] = ()) -> str:
        """Have evidence appraised, and return the token. Raises AttestationServiceError."""
        request = AttestationRequest(
            verification_requests=[_individual(each) for each in requests], policy_ids=policy_ids
        )
        response = await self._call(_ATTESTATION, "AttestationEvaluate", request, AttestationResponse)
        token = response.attestation_token
        if not token or len(token) > MAX_TOKEN or not token.isascii():
            raise self._no_answer()
        return token

    async def set_policy(self, policy_id: str, policy_base64url: str) -> None:
        """Have a policy checked and stored. Raises AttestationServiceError."""
        request = SetPolicyRequest(policy_id=policy_id, policy=policy_base64url)
        await self._call(_ATTESTATION, "SetAttestationPolicy", request, SetPolicyResponse)

    async def register_reference_value(self, message: str) -> None:
        """Pass a registration message to the RVPS. Raises AttestationServiceError."""
        if not self._allow_sample:
            try:
                require_no_sample(message)
            except AttestackError as error:
                raise AttestationServiceError(error.message, code=error.code, advice=error.advice) from error
        request = ReferenceValueRegisterRequest(message=message)
        await self._call(REFERENCE, "RegisterReferenceValue", request, ReferenceValueRegisterResponse)

    async def query_reference_value(self, reference_value_id: str) -> Any:  # noqa: ANN401  # any JSON value
        """Return a reference value, or None when there is none. Raises AttestationServiceError."""
        request = ReferenceValueQueryRequest(reference_value_id=reference_value_id)
        response = await self._call(REFERENCE, "QueryReferenceValue", request, ReferenceValueQueryResponse)
        if not response.HasField("reference_value_results"):
            return None
        try:
            return parse_json(response.reference_value_results)
        except EncodingError:
            raise self._no_answer() from None

    async def challenge(self, tee: Tee, parameters: str) -> str:
        """Return what a TEE needs beside the nonce. Raises AttestationServiceError."""
        request = ChallengeRequest(inner={"tee": str(tee), "tee_params": parameters})
        response = await self._call(_ATTESTATION, "GetAttestationChallenge", request, ChallengeResponse)
        return response.attestation_challenge

    async def close(self) -> None:
        """End the connection."""
        await self._channel.close()

    async def _call(self, service: str, method: str, request: Message, kind: type[M]) -> M:
        try:
            answer = await self._channel.call(f"/{service}/{method}", request.SerializeToString(), seconds=CALL_SECONDS)
        except CallError as error:
            raise self._translated(error) from error
        try:
            return kind.FromString(answer)
        except DecodeError:
            raise self._no_answer() from None

    def _translated(self, error: CallError) -> AttestationServiceError:
        if isinstance(error, PeerUnreachableError):
            return self._failure(error.message, "AS-UNREACHABLE", error.advice)
        if isinstance(error, CallTimeoutError):
            return self._failure(error.message, "AS-TIMEOUT", error.advice)
        if not isinstance(error, CallRefusedError) or error.status is not Status.ABORTED:
            return self._failure(f"{self._channel.address}: {error.message}", "AS-REMOTE", _ADVICE)
        refusal = peer_refusal(error.message)
        return AttestationServiceError(refusal.text, code=refusal.code or "AS-REMOTE-REFUSED", advice=refusal.advice)

    def _no_answer(self) -> AttestationServiceError:
        text = f"{self._channel.address} gave an answer that is none of its method"
        return self._failure(text, "AS-REMOTE-ANSWER", _ADVICE)

    def _failure(self, message: str, code: str, advice: str) -> AttestationServiceError:
        return AttestationServiceError(f"the attestation service {message}", code=code, advice=advice)


def _individual(request: EvidenceRequest) -> IndividualAttestationRequest:
    """Return one piece of evidence as it is sent. Raises AttestationServiceError: it is of the older form."""
    individual = IndividualAttestationRequest(
        tee=str(request.tee),
        evidence=b64url_encode(_sorted_json(request.evidence)),
        runtime_data_hash_algorithm=str(request.runtime_data_hash),
    )
    if isinstance(request.runtime_data, StructuredRuntimeData):
        individual.structured_runtime_data = _sorted_json(request.runtime_data.value).decode()
    elif isinstance(request.runtime_data, RawRuntimeData):
        individual.raw_runtime_data = b64url_encode(request.runtime_data.data)
    if isinstance(request.init_data, InitData):
        individual.init_data_toml = request.init_data.text
    elif isinstance(request.init_data, bytes):
        individual.init_data_digest = b64url_encode(request.init_data)
    elif request.init_data is not None:
        raise AttestationServiceError("init-data of the older form cannot be sent", code="AS-REMOTE-INIT-DATA")
    return individual


def _sorted_json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False, sort_keys=True).encode()
