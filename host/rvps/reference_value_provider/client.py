"""The reference values of an `rvps` elsewhere, over gRPC.

What a policy asks for is asked for at once, up to `MAX_CALLS` calls under way over one connection; upstream asks one by
one, with a health probe before most. Nothing is kept: each answer is the RVPS's own.

The `sample` extractor believes whoever sends it a message. The RVPS cannot see who sent one to us, so it is refused
here where that could be anyone (`allow_sample`), as the built-in provider does.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Self

from attestack_common.grpc_edge import (
    CallError,
    CallRefusedError,
    CallTimeoutError,
    Channel,
    PeerAddress,
    PeerUnreachableError,
    Status,
)
from attestack_common.logs import get_logger
from attestation_protocol.encoding import parse_json
from attestation_protocol.errors import EncodingError
from attestation_protocol.stubs.reference_pb2 import (
    ReferenceValueQueryRequest,
    ReferenceValueQueryResponse,
    ReferenceValueRegisterRequest,
)
from google.protobuf.message import DecodeError
from trustee_core.grpc_messages import peer_refusal

from reference_value_provider.errors import RemoteError, UnreachableError
from reference_value_provider.extractors import registry
from reference_value_provider.grpc_service import NAME, QUERY, REGISTER
from reference_value_provider.messages import Message
from reference_value_provider.service import MISSING, refused_sample

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_CALLS: Final = 64
CONNECT_SECONDS: Final = 10.0
CALL_SECONDS: Final = 8.0
"""How long a call may take; the policy engine waits ten seconds for a batch."""
PROBE: Final = "__healthcheck__"
"""What stock attestation services ask for to see whether an RVPS is there."""

_LOG: Final = get_logger("rvps.client")


class RemoteReferenceValues:
    """The values of one RVPS. A `ReferenceValueStore` of the attestation service."""

    def __init__(self, address: PeerAddress, *, allow_sample: bool) -> None:
        self._channel = Channel(address, max_calls=MAX_CALLS)
        self._allow_sample = allow_sample

    @classmethod
    async def connect(cls, address: str, *, allow_sample: bool) -> Self:
        """Connect, and see that it is an RVPS. Raises ConfigError: no address; UnreachableError, RemoteError."""
        values = cls(PeerAddress.parse(address), allow_sample=allow_sample)
        try:
            await values._channel.connect(CONNECT_SECONDS)
            await values.query(PROBE)
        except CallError as error:
            await values.close()
            raise _translated(error, values._channel.address) from None
        except RemoteError:
            await values.close()
            raise
        _LOG.info("connected to the RVPS", address=values._channel.address)
        return values

    async def register(self, message: str) -> None:
        """Pass a registration message on. Raises RegistrationError, RemoteError."""
        if not self._allow_sample:
            require_no_sample(message)
        await self._call("RegisterReferenceValue", ReferenceValueRegisterRequest(message=message).SerializeToString())

    async def query(self, reference_value_id: str) -> Any:  # noqa: ANN401  # any JSON value
        """Return a value, or MISSING. Raises RemoteError."""
        request = ReferenceValueQueryRequest(reference_value_id=reference_value_id)
        answer = await self._call("QueryReferenceValue", request.SerializeToString())
        try:
            response = ReferenceValueQueryResponse.FromString(answer)
            if not response.HasField("reference_value_results"):
                return MISSING
            return parse_json(response.reference_value_results)
        except (DecodeError, EncodingError) as error:
            raise RemoteError(
                f"the RVPS {self._channel.address} gave an answer that is not JSON in its message",
                code="RVPS-REMOTE-ANSWER",
                advice="see whether that address is an RVPS, and of which version",
            ) from error

    async def query_many(self, ids: Sequence[str]) -> Mapping[str, Any]:
        """Return the values of those ids that have one. Raises RemoteError."""
        distinct = list(dict.fromkeys(ids))
        answers = await asyncio.gather(*map(self.query, distinct), return_exceptions=True)
        failures = [answer for answer in answers if isinstance(answer, BaseException)]
        if failures:
            raise failures[0]
        return {name: value for name, value in zip(distinct, answers, strict=True) if value is not MISSING}

    async def close(self) -> None:
        """End the connection."""
        await self._channel.close()

    async def _call(self, method: str, message: bytes) -> bytes:
        try:
            return await self._channel.call(f"/{NAME}/{method}", message, seconds=CALL_SECONDS)
        except CallError as error:
            raise _translated(error, self._channel.address) from error


def require_no_sample(message: str) -> None:
    """Raise SampleRefusedError if the message is for an extractor that believes anyone; MessageError if it is none."""
    extractor = registry.installed().get(Message.parse(message).type)
    if extractor is not None and extractor.believes_anyone:
        raise refused_sample(extractor)


def _translated(error: CallError, address: PeerAddress) -> RemoteError:
    if isinstance(error, PeerUnreachableError):
        return UnreachableError(f"the RVPS {error.message}", advice=error.advice)
    if isinstance(error, CallTimeoutError):
        return UnreachableError(f"the RVPS {error.message}", code="RVPS-TIMEOUT", advice=error.advice)
    if not isinstance(error, CallRefusedError) or error.status is not Status.ABORTED:
        advice = error.advice or "see whether that address is an RVPS, and of which version"
        return RemoteError(f"the RVPS {address}: {error.message}", advice=advice)
    refusal = peer_refusal(error.message)
    message = refusal.text.removeprefix(f"{REGISTER}: ").removeprefix(f"{QUERY}: ")
    return RemoteError(message, code=refusal.code or None, advice=refusal.advice)
