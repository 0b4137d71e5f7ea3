"""The gRPC interface of `grpc-as`: its methods, and the JWK set for HTTP/1.1 clients of the same port.

    attestation.AttestationService
        AttestationEvaluate        a request of either generation     the token
        SetAttestationPolicy       {policy_id, policy}                nothing
        GetAttestationChallenge    {inner: {tee, tee_params}}         the challenge
    reference.ReferenceValueProviderService, passed on to the RVPS that is configured
    grpc.health.v1.Health
    GET /.well-known/jwks.json

Every refusal is status ABORTED, whatever its cause, with the text of the Rust service; the code at the end tells them
apart, and the log has what was wanted and got.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attestack_common.grpc_edge import Refusal, Service, Status
from attestack_common.http_server import Request, Response
from attestack_common.logs import get_logger
from attestation_protocol.encoding import compact_json
from attestation_protocol.errors import wire_text
from attestation_protocol.stubs.attestation_pb2 import AttestationResponse, ChallengeResponse
from reference_value_provider.grpc_service import reference_value_service
from trustee_core.grpc_health import health_service

from attestation_service.errors import AttestationServiceError, RequestError
from attestation_service.grpc_requests import evaluation_text, parse_attestation, parse_challenge, parse_policy

if TYPE_CHECKING:
    from attestation_service.service import BuiltInAttestationService

NAME: Final = "attestation.AttestationService"
JWKS_PATH: Final = "/.well-known/jwks.json"

_LOG: Final = get_logger("as.grpc")
_QUERY: Final = "Failed to query reference values"


class GrpcApi:
    """The methods of the service."""

    def __init__(self, service: BuiltInAttestationService) -> None:
        self._service = service

    def services(self) -> list[Service]:
        """Return all that is served on the port."""
        attestation = Service(
            NAME,
            {
                "AttestationEvaluate": self.evaluate,
                "SetAttestationPolicy": self.set_policy,
                "GetAttestationChallenge": self.challenge,
            },
        )
        reference = reference_value_service(self._service.reference_values, query_text=_QUERY)
        return [attestation, reference, health_service([attestation.name, reference.name])]

    async def evaluate(self, message: bytes) -> bytes:
        """Appraise, and answer with a token. Raises Refusal."""
        try:
            requests, policy_ids = parse_attestation(message)
        except RequestError as error:
            raise _aborted(error.layers[0], error) from error
        try:
            token = await self._service.evaluate(requests, policy_ids)
        except AttestationServiceError as error:
            raise _aborted(evaluation_text(error.layers), error) from error
        return AttestationResponse(attestation_token=token).SerializeToString()

    async def set_policy(self, message: bytes) -> bytes:
        """Store a policy under its full id. Raises Refusal."""
        policy_id, policy = parse_policy(message)
        try:
            await self._service.set_policy(policy_id, policy)
        except AttestationServiceError as error:
            raise _aborted(f"Set Attestation Policy Failed: {error.layers[0]}", error) from error
        return b""

    async def challenge(self, message: bytes) -> bytes:
        """Answer with what a TEE needs beside the nonce. Raises Refusal."""
        try:
            tee, parameters = parse_challenge(message)
        except RequestError as error:
            raise _aborted(error.layers[0], error) from error
        try:
            challenge = await self._service.challenge(tee, parameters)
        except AttestationServiceError as error:
            raise _aborted(f"Challenge: {error.layers[0]}", error) from error
        return ChallengeResponse(attestation_challenge=challenge).SerializeToString()

    async def http(self, request: Request) -> Response:
        """Answer an HTTP/1.1 client: the JWK set, and nothing else."""
        if request.path != JWKS_PATH:
            return Response(404)
        if request.method not in {"GET", "HEAD"}:
            return Response(405, headers=(("allow", "GET, HEAD"),))
        return Response(200, compact_json(self._service.jwks()), "application/json")


def _aborted(text: str, error: AttestationServiceError) -> Refusal:
    _LOG.info("refused", code=error.code, why=error.message)
    return Refusal(Status.ABORTED, wire_text(text, error.code, error.advice))
