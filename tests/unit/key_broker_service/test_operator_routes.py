"""Attestation policies, reference values and the resource policy, for administrators alone."""

from __future__ import annotations

import base64
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from attestack_common.logs.lines import TextFormatter
from attestation_service.errors import AttestationServiceError
from key_broker_service.errors import (
    AdminAccessError,
    KbsError,
    ReferenceValueError,
    SetPolicyRefusedError,
)
from key_broker_service.operator_routes import OperatorRoutes
from trustee_core.token_trust import AdminDeniedError, AdminIdentity

from tests.unit.key_broker_service.fakes import FakeBackend, request

if TYPE_CHECKING:
    from attestack_common.http_server import Response

QUERY_FAILED = "RVPS configuration failed: Failed to get reference_values: "
REGISTER_FAILED = "RVPS configuration failed: Failed to register reference value: register reference value"


class FakeAdmin:
    def __init__(self) -> None:
        self.refusal: AdminDeniedError | None = None

    def require(self, _request: Any) -> AdminIdentity:
        if self.refusal is not None:
            raise self.refusal
        return AdminIdentity("admin", "issuer", "jane")


class FakePolicy:
    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def replace(self, body: bytes) -> None:
        self.bodies.append(body)

    async def ids(self) -> list[str]:
        return ["resource-policy"]


class Operator:
    def __init__(self) -> None:
        self.admin, self.backend, self.policy = FakeAdmin(), FakeBackend(), FakePolicy()
        self.routes = OperatorRoutes(self.admin, self.backend, self.policy)  # type: ignore[arg-type]

    async def call(self, name: str, body: Any = b"", *segments: str) -> Response:
        response: Response = await getattr(self.routes, name)(request("POST", "/kbs/v0/x", body), segments)
        return response

    async def refused(self, name: str, body: Any = b"", *segments: str) -> KbsError:
        with pytest.raises(KbsError) as caught:
            await self.call(name, body, *segments)
        return caught.value


@pytest.fixture
def operator() -> Operator:
    return Operator()


ENDPOINTS = {
    "set_attestation_policy": "attestation-policy",
    "register_reference_value": "reference-value",
    "query_reference_value": "reference-value",
    "set_resource_policy": "resource-policy",
    "list_resource_policies": "resource-policy",
}


@pytest.mark.parametrize("name", ENDPOINTS)
async def test_a27_every_route_asks_for_an_administrator_first(operator: Operator, name: str) -> None:
    operator.admin.refusal = AdminDeniedError("Admin access denied: reason", code="ADMIN-ROLE", advice="ask")
    error = await operator.refused(name, b'{"policy_id": "a", "policy": "eA"}', "svn")
    assert isinstance(error, AdminAccessError)
    assert error.message == f"admin access denied for endpoint {ENDPOINTS[name]}: Admin access denied: reason"
    assert (error.code, error.advice) == ("ADMIN-ROLE", "ask")
    assert (operator.backend.policies, operator.backend.messages, operator.policy.bodies) == ({}, [], [])


async def test_an_attestation_policy_is_passed_on_as_it_came(operator: Operator) -> None:
    response = await operator.call(
        "set_attestation_policy", {"type": "rego", "policy_id": "default_cpu", "policy": "eA"}
    )
    assert (response.status, response.body, response.content_type) == (200, b"", None)
    assert operator.backend.policies == {"default_cpu": "eA"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "JSON"),
        (b"[]", "ATTESTATION-POLICY-DOCUMENT"),
        ({"policy": "eA"}, "ATTESTATION-POLICY-DOCUMENT"),
        ({"policy_id": "a"}, "ATTESTATION-POLICY-DOCUMENT"),
        ({"policy_id": 1, "policy": "eA"}, "ATTESTATION-POLICY-DOCUMENT"),
    ],
)
async def test_what_is_no_attestation_policy_is_refused(operator: Operator, body: Any, code: str) -> None:
    error = await operator.refused("set_attestation_policy", body)
    assert isinstance(error, SetPolicyRefusedError)
    assert (error.message, error.code) == ("Attestation error: Set Attestation Policy failed", code)


async def test_reference_values_are_passed_on_as_text(operator: Operator) -> None:
    response = await operator.call("register_reference_value", '{"version":"0.1.0"} ü'.encode(), "any", "tail")
    assert (response.status, response.body, response.content_type) == (200, b"", "application/json")
    assert operator.backend.messages == ['{"version":"0.1.0"} ü']


async def test_reference_values_that_are_no_text_are_refused(operator: Operator) -> None:
    error = await operator.refused("register_reference_value", b"\xff")
    assert isinstance(error, ReferenceValueError)
    assert error.message == "RVPS configuration failed: Failed to parse reference value message"


@pytest.mark.parametrize("value", [["1"], "abc", 1, False, {"a": [1.5]}, "ü"])
async def test_a_reference_value_is_answered_as_json(operator: Operator, value: Any) -> None:
    operator.backend.values["a/b"] = value
    response = await operator.call("query_reference_value", b"", "a", "b")
    assert response.body == json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    assert response.content_type == "application/json"


async def test_a_reference_value_that_is_missing_or_unnamed_is_refused(operator: Operator) -> None:
    error = await operator.refused("query_reference_value", b"", "a", "none")
    assert error.message == f"{QUERY_FAILED}No reference value found for the given id: a/none"
    assert error.code == "REFERENCE-VALUE-MISSING"
    error = await operator.refused("query_reference_value")
    assert (error.message, error.code) == (f"{QUERY_FAILED}query reference values", "REFERENCE-VALUE-ID")


async def test_refusals_of_the_attestation_service_carry_its_code(operator: Operator) -> None:
    operator.backend.refusal = AttestationServiceError("inner", code="AS-NO", advice="do this")
    for name, body, message in (
        (
            "set_attestation_policy",
            {"policy_id": "a", "policy": "eA"},
            "Attestation error: Set Attestation Policy failed",
        ),
        ("register_reference_value", b"{}", REGISTER_FAILED),
        ("query_reference_value", b"", f"{QUERY_FAILED}query reference values"),
    ):
        error = await operator.refused(name, body, "svn")
        assert (error.message, error.code, error.advice, error.why) == (message, "AS-NO", "do this", "inner")


async def test_the_resource_policy_is_set_and_listed(operator: Operator) -> None:
    body = json.dumps({"policy": base64.urlsafe_b64encode(b"package policy").decode()}).encode()
    response = await operator.call("set_resource_policy", body)
    assert (response.status, response.body, response.content_type) == (200, b"", None)
    assert operator.policy.bodies == [body]
    response = await operator.call("list_resource_policies")
    assert (response.body, response.content_type) == (b'["resource-policy"]', "application/json")


async def test_the_log_says_who_changed_what(operator: Operator, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        await operator.call("set_attestation_policy", {"policy_id": "default_cpu", "policy": "eA"})
        await operator.call("register_reference_value", b"{}")
        await operator.call("set_resource_policy", b"{}")
    assert [TextFormatter().format(record).partition("operator: ")[2] for record in caplog.records] == [
        "attestation policy set policy_id=default_cpu administrator=jane",
        "reference values registered administrator=jane",
        "resource policy set administrator=jane",
    ]
