"""`attestation_agent.AttestationAgentService`, as the stock agents answer it: `ttrpc-aa`, and `grpc-aa`.

Every failure is INTERNAL with a fixed text for each RPC, which differs between the two; the server adds what to do and
the stable code (`wire_text_of`). What happened is in the log. BindInitData is offered over gRPC alone; init-data that
the agent is started with is bound at the start, over both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from attestack_common.errors import AttestackError
from attestack_common.logs import get_logger
from attestation_protocol.encoding import compact_json
from attestation_protocol.errors import ProtocolError
from attestation_protocol.stubs import attestation_agent_pb2 as pb
from key_broker_client.tokens import REFUSED_TOKEN
from ttrpc_asyncio import Code, Service, StatusError

from attestation_agent.init_data import checked_digest

if TYPE_CHECKING:
    from ttrpc_asyncio import CallContext

    from attestation_agent.evidence import AgentEvidence
    from attestation_agent.tokens import Tokens

_DESCRIPTOR: Final = pb.DESCRIPTOR.services_by_name["AttestationAgentService"]
_log = get_logger("aa.service")


@dataclass(frozen=True, slots=True)
class Texts:
    """What is answered when an RPC fails."""

    evidence: str
    additional_evidence: str
    token: str


TTRPC_TEXTS: Final = Texts("AA-KBC get evidence failed", "AA-KBC get evidence failed", "AA-KBC get token failed")
GRPC_TEXTS: Final = Texts("AA get evidence failed", "AA get additional evidence failed", "AA get token failed")


class AgentService:
    """The RPCs over ttRPC. Method names are the protocol's."""

    texts = TTRPC_TEXTS

    def __init__(self, evidence: AgentEvidence, tokens: Tokens) -> None:
        self._evidence = evidence
        self._tokens = tokens

    async def get_evidence(self, request: pb.GetEvidenceRequest, _: CallContext) -> pb.GetEvidenceResponse:
        """Collect the primary evidence: compact JSON."""
        try:
            evidence = await self._evidence.evidence(request.RuntimeData)
        except AttestackError as error:
            raise _failed(self.texts.evidence, error) from None
        return pb.GetEvidenceResponse(Evidence=compact_json(evidence))

    async def get_additional_evidence(
        self, request: pb.GetAdditionalEvidenceRequest, _: CallContext
    ) -> pb.GetEvidenceResponse:
        """Collect the evidence of the devices: a JSON object, or nothing."""
        try:
            evidence = await self._evidence.additional_evidence(request.RuntimeData)
        except AttestackError as error:
            raise _failed(self.texts.additional_evidence, error) from None
        return pb.GetEvidenceResponse(Evidence=evidence.encode())

    async def get_token(self, request: pb.GetTokenRequest, context: CallContext) -> pb.GetTokenResponse:
        """Get a token, with its key."""
        refused = context.metadata.get(REFUSED_TOKEN, ())
        try:
            token = await self._tokens.token(request.TokenType, refused=refused[0] if refused else None)
        except (AttestackError, ProtocolError) as error:
            raise _failed(self.texts.token, error) from None
        return pb.GetTokenResponse(Token=token)

    async def extend_runtime_measurement(
        self, _request: pb.ExtendRuntimeMeasurementRequest, _: CallContext
    ) -> pb.ExtendRuntimeMeasurementResponse:
        """Say that the event log is off, as the stock agent does where it is not enabled."""
        return pb.ExtendRuntimeMeasurementResponse(Result=pb.NOT_ENABLED)

    async def get_tee_type(self, _request: pb.GetTeeTypeRequest, _: CallContext) -> pb.GetTeeTypeResponse:
        """Name the primary TEE."""
        return pb.GetTeeTypeResponse(tee=await self._evidence.tee())

    async def get_additional_tees(
        self, _request: pb.GetAdditionalTeesRequest, _: CallContext
    ) -> pb.GetAdditionalTeesResponse:
        """Name the devices."""
        return pb.GetAdditionalTeesResponse(additional_tees=list(self._evidence.device_tees))


class GrpcAgentService(AgentService):
    """The RPCs over gRPC: with texts of their own, and BindInitData."""

    texts = GRPC_TEXTS

    async def bind_init_data(self, request: pb.BindInitDataRequest, _: CallContext) -> pb.BindInitDataResponse:
        """Bind a digest to the primary attester. A platform without a field for it is no failure, as upstream."""
        try:
            await self._evidence.bind_init_data(checked_digest(request.Digest))
        except AttestackError as error:
            raise _failed("AA binding init data failed", error) from None
        return pb.BindInitDataResponse()


def agent_service(evidence: AgentEvidence, tokens: Tokens) -> Service:
    """Bind the RPCs to their service, as it is offered over ttRPC."""
    return Service.from_descriptor(_DESCRIPTOR, AgentService(evidence, tokens))


def grpc_agent_service(evidence: AgentEvidence, tokens: Tokens) -> Service:
    """Bind the RPCs to their service, as it is offered over gRPC."""
    return Service.from_descriptor(_DESCRIPTOR, GrpcAgentService(evidence, tokens))


def _failed(text: str, error: AttestackError | ProtocolError) -> StatusError:
    _log.error(text, code=error.code, error=error, advice=error.advice)
    message = f"[ERROR:attestation-agent] {text}"
    return StatusError(Code.INTERNAL, message, code=error.code, advice=error.advice)
