"""The methods of the service: answers, refusals, and messages that do not decode."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from attestack_common.errors import AttestackError
from attestack_common.grpc_edge import Refusal, Status
from attestation_protocol.stubs.reference_pb2 import (
    ReferenceValueQueryRequest,
    ReferenceValueQueryResponse,
    ReferenceValueRegisterRequest,
)
from hypothesis import given
from hypothesis import strategies as st
from reference_value_provider.grpc_service import NAME, reference_value_service
from reference_value_provider.service import MISSING, ReferenceValueProvider

from tests.unit.reference_value_provider.conftest import message

if TYPE_CHECKING:
    from attestack_common.grpc_edge import Service


class Failing:
    """Values that cannot be had."""

    async def register(self, _message: str) -> None:
        raise AttestackError("the disk is full", code="STORAGE-IO", advice="make room")

    async def query(self, _name: str) -> Any:
        raise AttestackError("the disk is gone", code="STORAGE-IO", advice="look for it")


class Given:
    """One value for every id."""

    def __init__(self, value: Any) -> None:
        self.value = value

    async def register(self, _message: str) -> None: ...

    async def query(self, _name: str) -> Any:
        return self.value


async def register(service: Service, text: str) -> bytes:
    request = ReferenceValueRegisterRequest(message=text)
    return await service.methods["RegisterReferenceValue"](request.SerializeToString())


async def query(service: Service, name: str) -> bytes:
    request = ReferenceValueQueryRequest(reference_value_id=name)
    return await service.methods["QueryReferenceValue"](request.SerializeToString())


async def test_values_are_registered_and_found(provider: ReferenceValueProvider) -> None:
    service = reference_value_service(provider)
    assert service.name == NAME == "reference.ReferenceValueProviderService"
    assert await register(service, message({"svn": ["1"], "ü": {"b": 1, "a": None}})) == b""
    assert await query(service, "svn") == b'\x0a\x05["1"]'
    assert ReferenceValueQueryResponse.FromString(await query(service, "ü")).reference_value_results == (
        '{"a":null,"b":1}'
    )
    assert await query(service, "other") == b""


async def test_null_is_a_value_and_missing_is_none() -> None:
    assert await query(reference_value_service(Given(None)), "x") == b"\x0a\x04null"
    answer = await query(reference_value_service(Given(MISSING)), "x")
    assert not ReferenceValueQueryResponse.FromString(answer).HasField("reference_value_results")


@pytest.mark.parametrize("place", ["Query reference value", "Failed to query reference values"])
async def test_refusals_are_aborted_with_text_advice_and_code(place: str) -> None:
    service = reference_value_service(Failing(), query_text=place)
    with pytest.raises(Refusal) as caught:
        await register(service, "{}")
    assert (caught.value.status, caught.value.text) == (
        Status.ABORTED,
        "Register reference value: the disk is full (make room) [STORAGE-IO]",
    )
    with pytest.raises(Refusal) as caught:
        await query(service, "x")
    assert (caught.value.status, caught.value.text) == (
        Status.ABORTED,
        f"{place}: the disk is gone (look for it) [STORAGE-IO]",
    )


@pytest.mark.parametrize("method", ["RegisterReferenceValue", "QueryReferenceValue"])
@given(data=st.binary(max_size=60))
async def test_any_message_is_answered_or_refused(method: str, data: bytes) -> None:
    service = reference_value_service(Given(json.loads("1")))
    try:
        await service.methods[method](data)
    except Refusal as refusal:
        assert refusal.status in {Status.ABORTED, Status.INTERNAL}  # noqa: PT017  # either outcome is right
