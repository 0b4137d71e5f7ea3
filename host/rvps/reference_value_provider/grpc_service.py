"""The reference value provider over gRPC: `reference.ReferenceValueProviderService`, served by `rvps` and `grpc-as`.

    QueryReferenceValue      an id       the JSON text of its value; absent when there is none, or it has expired
    RegisterReferenceValue   a message   nothing

Every refusal is status ABORTED with upstream's text, then advice and code. An empty id is refused: clients of v0.11 to
v0.15 ask so for all values at once, which is not offered any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from attestack_common.errors import AttestackError
from attestack_common.grpc_edge import Refusal, Service, Status
from attestack_common.logs import get_logger
from attestation_protocol.encoding import compact_json
from attestation_protocol.errors import wire_text_of
from attestation_protocol.stubs.reference_pb2 import (
    ReferenceValueQueryRequest,
    ReferenceValueQueryResponse,
    ReferenceValueRegisterRequest,
)
from trustee_core.grpc_messages import parsed

from reference_value_provider.errors import ReferenceValueError
from reference_value_provider.service import MISSING

if TYPE_CHECKING:
    from collections.abc import Awaitable

NAME: Final = "reference.ReferenceValueProviderService"
REGISTER: Final = "Register reference value"
QUERY: Final = "Query reference value"

_LOG: Final = get_logger("rvps.grpc")
_NOTHING: Final = b""


class ReferenceValues(Protocol):
    """The values behind the service. Both methods raise AttestackError."""

    async def register(self, message: str) -> object:
        """Take a registration message."""
        ...

    async def query(self, reference_value_id: str) -> Any:  # noqa: ANN401  # any JSON value
        """Return a value, or MISSING."""
        ...


def reference_value_service(values: ReferenceValues, *, query_text: str = QUERY) -> Service:
    """Make the service. `query_text` stands in front of what is said when a query fails."""

    async def register(message: bytes) -> bytes:
        text = parsed(ReferenceValueRegisterRequest, message).message
        await _or_refusal(values.register(text), REGISTER)
        return _NOTHING

    async def query(message: bytes) -> bytes:
        name = parsed(ReferenceValueQueryRequest, message).reference_value_id
        if not name:
            raise _refusal(
                query_text,
                ReferenceValueError(
                    "failed to get key ``",
                    code="RVPS-ID",
                    advice="name one value: the map of all values of older versions is not offered",
                ),
            )
        value = await _or_refusal(values.query(name), query_text)
        if value is MISSING:
            return _NOTHING
        return ReferenceValueQueryResponse(reference_value_results=compact_json(value).decode()).SerializeToString()

    return Service(NAME, {"RegisterReferenceValue": register, "QueryReferenceValue": query})


async def _or_refusal(answer: Awaitable[Any], place: str) -> Any:  # noqa: ANN401  # what the store answers
    try:
        return await answer
    except AttestackError as error:
        raise _refusal(place, error) from error


def _refusal(place: str, error: AttestackError) -> Refusal:
    _LOG.info("refused", place=place, code=error.code, reason=error.message)
    return Refusal(Status.ABORTED, f"{place}: {wire_text_of(error)}")
