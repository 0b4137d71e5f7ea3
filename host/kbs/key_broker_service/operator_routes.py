"""The routes of operators that are no plugins: attestation policies, reference values, the resource policy.

Each asks for an administrator first. Bodies go to the attestation service as they came: it decodes, checks and stores.

    POST attestation-policy        {"policy_id", "policy"}       empty
    POST reference-value[/…]       a registration message        empty, `application/json`
    GET  reference-value/<id…>                                   the value, JSON
    POST resource-policy           {"policy"}                    empty
    GET  resource-policy                                         the ids of the stored policies, JSON
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attestack_common.http_server import Request, Response
from attestack_common.logs import get_logger
from attestation_protocol.encoding import compact_json, parse_json
from attestation_protocol.errors import EncodingError
from attestation_service.errors import AttestationServiceError
from trustee_core.token_trust import AdminDeniedError

from key_broker_service.errors import AdminAccessError, ReferenceValueError, SetPolicyRefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attestation_service.contract import AttestationBackend

    from key_broker_service.admin import Admin
    from key_broker_service.resource_policy import ResourcePolicy

JSON: Final = "application/json"

_LOG: Final = get_logger("kbs.operator")
_REGISTER: Final = "Failed to register reference value: register reference value"
_QUERY: Final = "Failed to get reference_values: query reference values"


class OperatorRoutes:
    """Handlers by method and first segment; each is called with the request and the segments behind the first."""

    def __init__(self, admin: Admin, backend: AttestationBackend, resource_policy: ResourcePolicy) -> None:
        self._admin = admin
        self._backend = backend
        self._resource_policy = resource_policy

    async def set_attestation_policy(self, request: Request, _segments: Sequence[str]) -> Response:
        """Store an attestation policy. Raises AdminAccessError, SetPolicyRefusedError."""
        administrator = self._require_admin(request, "attestation-policy")
        policy_id, policy = _attestation_policy(request.body)
        try:
            await self._backend.set_policy(policy_id, policy)
        except AttestationServiceError as error:
            raise SetPolicyRefusedError(code=error.code, advice=error.advice, why=error.message) from error
        _LOG.info("attestation policy set", policy_id=policy_id, administrator=administrator)
        return Response()

    async def register_reference_value(self, request: Request, _segments: Sequence[str]) -> Response:
        """Pass a registration message on. Raises AdminAccessError, ReferenceValueError."""
        administrator = self._require_admin(request, "reference-value")
        try:
            message = request.body.decode("utf-8")
        except UnicodeDecodeError:
            raise ReferenceValueError(
                "Failed to parse reference value message", code="REFERENCE-VALUE-UTF8", advice="send UTF-8 text"
            ) from None
        try:
            await self._backend.register_reference_value(message)
        except AttestationServiceError as error:
            raise ReferenceValueError(_REGISTER, code=error.code, advice=error.advice, why=error.message) from error
        _LOG.info("reference values registered", administrator=administrator)
        return Response(content_type=JSON)

    async def query_reference_value(self, request: Request, segments: Sequence[str]) -> Response:
        """Answer with one reference value. Raises AdminAccessError, ReferenceValueError."""
        self._require_admin(request, "reference-value")
        if not segments:
            raise ReferenceValueError(
                _QUERY, code="REFERENCE-VALUE-ID", advice="name the value behind reference-value/"
            )
        name = "/".join(segments)
        try:
            value = await self._backend.query_reference_value(name)
        except AttestationServiceError as error:
            raise ReferenceValueError(_QUERY, code=error.code, advice=error.advice, why=error.message) from error
        if value is None:
            raise ReferenceValueError(
                f"Failed to get reference_values: No reference value found for the given id: {name}",
                code="REFERENCE-VALUE-MISSING",
            )
        return Response(200, compact_json(value), JSON)

    async def set_resource_policy(self, request: Request, _segments: Sequence[str]) -> Response:
        """Store the resource policy. Raises AdminAccessError, ParsePolicyError, PolicyEngineError."""
        administrator = self._require_admin(request, "resource-policy")
        await self._resource_policy.replace(request.body)
        _LOG.info("resource policy set", administrator=administrator)
        return Response()

    async def list_resource_policies(self, request: Request, _segments: Sequence[str]) -> Response:
        """Answer with the ids of the stored policies. Raises AdminAccessError, PolicyEngineError."""
        self._require_admin(request, "resource-policy")
        return Response(200, compact_json(await self._resource_policy.ids()), JSON)

    def _require_admin(self, request: Request, endpoint: str) -> str:
        """Return who the administrator is, for the log; empty where nobody has to prove to be one."""
        try:
            identity = self._admin.require(request)
        except AdminDeniedError as error:
            raise AdminAccessError(f"{endpoint}: {error.message}", code=error.code, advice=error.advice) from error
        return identity.subject or identity.role


def _attestation_policy(body: bytes) -> tuple[str, str]:
    try:
        document = parse_json(body)
    except EncodingError as error:
        raise SetPolicyRefusedError(code=error.code, why=error.message) from None
    members = document if isinstance(document, dict) else {}
    policy_id, policy = members.get("policy_id"), members.get("policy")
    if not isinstance(policy_id, str) or not isinstance(policy, str):
        raise SetPolicyRefusedError(
            code="ATTESTATION-POLICY-DOCUMENT", advice="send JSON with the texts `policy_id` and `policy`"
        )
    return policy_id, policy
