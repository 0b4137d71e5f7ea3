"""The agent and the hub behind the REST server, over ttRPC. Connections open on first use, and again when they died."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from attestation_protocol.errors import advice_of, code_of, text_of
from attestation_protocol.stubs import attestation_agent_pb2 as aa
from attestation_protocol.stubs import confidential_data_hub_pb2 as cdh
from ttrpc_asyncio import DeadlineExceededError, ReconnectingClient, StatusError, TtrpcError

from guest_rest_api.errors import BackendError

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from ttrpc_asyncio import Address

BACKEND_SECONDS: Final = 50.0
"""Seconds that a call may take."""
_AGENT: Final = aa.DESCRIPTOR.services_by_name["AttestationAgentService"].full_name
_HUB: Final = cdh.DESCRIPTOR.services_by_name["GetResourceService"].full_name

_Answer = TypeVar("_Answer", bound="Message")


class _Backend:
    """One peer. Its failures keep the code and the advice that it sent."""

    def __init__(self, name: str, address: Address) -> None:
        self._name = name
        self._address = address
        self._client = ReconnectingClient(address)

    async def call(
        self, service: str, method: str, request: Message, answer: type[_Answer], *, reads: bool = True
    ) -> _Answer:
        try:
            return await self._client.unary(service, method, request, answer, timeout=BACKEND_SECONDS, idempotent=reads)
        except StatusError as error:
            raise BackendError(
                f"{self._name} failed at {method}: {text_of(error.message)}",
                code=code_of(error.message) or "REST-BACKEND",
                advice=advice_of(error.message) or f"the log of the {self._name} says why",
            ) from None
        except DeadlineExceededError:
            raise BackendError(
                f"{self._name} took longer than {BACKEND_SECONDS:g} s for {method}",
                code="REST-BACKEND-TIMEOUT",
                advice="the platform or the broker is slow: try again",
            ) from None
        except TtrpcError as error:
            raise BackendError(
                f"{self._name} does not answer on {self._address}: {error.message}",
                code="REST-BACKEND-DOWN",
                advice=f"see that the {self._name} runs",
            ) from None

    async def close(self) -> None:
        await self._client.close()


class Agent(_Backend):
    """The Attestation Agent."""

    def __init__(self, address: Address) -> None:
        super().__init__("agent", address)

    async def token(self, kind: str) -> bytes:
        """Return a token as the agent hands it out."""
        return (await self.call(_AGENT, "GetToken", aa.GetTokenRequest(TokenType=kind), aa.GetTokenResponse)).Token

    async def evidence(self, runtime_data: bytes) -> bytes:
        """Return the primary evidence."""
        request = aa.GetEvidenceRequest(RuntimeData=runtime_data)
        return (await self.call(_AGENT, "GetEvidence", request, aa.GetEvidenceResponse)).Evidence

    async def additional_evidence(self, runtime_data: bytes) -> bytes:
        """Return the evidence of the devices; empty when there are none."""
        request = aa.GetAdditionalEvidenceRequest(RuntimeData=runtime_data)
        return (await self.call(_AGENT, "GetAdditionalEvidence", request, aa.GetEvidenceResponse)).Evidence

    async def extend(self, domain: str, operation: str, content: str) -> int:
        """Extend a runtime measurement; returns the agent's result: 0, or why it did not."""
        request = aa.ExtendRuntimeMeasurementRequest(Domain=domain, Operation=operation, Content=content)
        answer = aa.ExtendRuntimeMeasurementResponse
        extended = await self.call(_AGENT, "ExtendRuntimeMeasurement", request, answer, reads=False)
        return int(extended.Result)

    async def tees(self) -> tuple[str, list[str]]:
        """Return the primary TEE and the devices."""
        primary = await self.call(_AGENT, "GetTeeType", aa.GetTeeTypeRequest(), aa.GetTeeTypeResponse)
        request = aa.GetAdditionalTeesRequest()
        devices = await self.call(_AGENT, "GetAdditionalTees", request, aa.GetAdditionalTeesResponse)
        return primary.tee, list(devices.additional_tees)


class Hub(_Backend):
    """The Confidential Data Hub."""

    def __init__(self, address: Address) -> None:
        super().__init__("hub", address)

    async def resource(self, path: str) -> bytes:
        """Return a resource by its path, which starts with a slash."""
        request: Any = cdh.GetResourceRequest(ResourcePath=f"kbs://{path}")
        return (await self.call(_HUB, "GetResource", request, cdh.GetResourceResponse)).Resource
