"""What an operator asks of a broker: policies, resources, reference values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attestation_protocol.encoding import b64std_encode, b64url_encode, compact_json

from key_broker_client.errors import BrokerAnswerError

if TYPE_CHECKING:
    from attestation_protocol.resource_uri import ResourcePath

    from key_broker_client.transport import Transport

ADMIN_USER_AGENT: Final = "kbs-client/0.1.0"
REFERENCE_VALUE_VERSION: Final = "0.1.0"
_OK: Final = 200


class AdminClient:
    """The administrator's requests. `token` is an administrator's JWT; without one they go out anonymously."""

    def __init__(self, transport: Transport, token: str | None = None) -> None:
        self._transport = transport
        self._headers = {} if token is None else {"authorization": f"Bearer {token}"}

    async def set_attestation_policy(self, policy: bytes, *, policy_id: str, policy_type: str = "rego") -> None:
        """Store an attestation policy under its full id, for example `default_cpu`. Raises BrokerError."""
        body = {"type": policy_type, "policy_id": policy_id, "policy": b64url_encode(policy)}
        await self._send("POST", "attestation-policy", body)

    async def set_resource_policy(self, policy: bytes) -> None:
        """Store the resource policy. Raises BrokerError."""
        await self._send("POST", "resource-policy", {"policy": b64url_encode(policy)})

    async def set_resource(self, path: ResourcePath, value: bytes) -> None:
        """Store a resource. Raises BrokerError."""
        await self._send("POST", f"resource/{path}", value)

    async def delete_resource(self, path: ResourcePath) -> None:
        """Delete a resource. Raises BrokerError."""
        await self._send("DELETE", f"resource/{path}")

    async def get_reference_value(self, reference_value_id: str) -> str:
        """Return the JSON text of a reference value. Raises BrokerError."""
        from urllib.parse import quote  # noqa: PLC0415  # only here

        return (await self._send("GET", f"reference-value/{quote(reference_value_id)}")).decode("utf-8", "replace")

    async def set_sample_reference_value(self, name: str, value: Any) -> None:  # noqa: ANN401  # any JSON value
        """Register one value through the `sample` extractor. Raises BrokerError."""
        payload = b64std_encode(compact_json({name: value}))
        message = {"version": REFERENCE_VALUE_VERSION, "type": "sample", "payload": payload}
        await self._send("POST", "reference-value", message)

    async def _send(self, method: str, target: str, body: dict[str, str] | bytes | None = None) -> bytes:
        headers = dict(self._headers)
        if isinstance(body, dict):
            headers["content-type"] = "application/json"
            body = compact_json(body)
        elif body is not None:
            headers["content-type"] = "application/octet-stream"
        answer = await self._transport.send(method, f"/kbs/v0/{target}", body=body, headers=headers)
        if answer.status != _OK:
            text = answer.body.decode("utf-8", "replace")
            raise BrokerAnswerError(
                f'Request Failed, Response: "{text}"',
                status=answer.status,
                code="ADMIN-REFUSED",
                advice="check the administrator's token and role, and what the answer says",
            )
        return answer.body
