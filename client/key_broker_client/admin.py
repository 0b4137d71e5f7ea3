"""What an operator asks of a broker: policies, resources, reference values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from attestation_protocol.encoding import b64std_encode, b64url_encode, compact_json
from attestation_protocol.errors import ErrorInformation, MessageError, advice_of, code_of

from key_broker_client.errors import BrokerAnswerError

if TYPE_CHECKING:
    from attestation_protocol.resource_uri import ResourcePath

    from key_broker_client.transport import Answer, Transport

ADMIN_USER_AGENT: Final = "kbs-client/0.1.0"
REFERENCE_VALUE_VERSION: Final = "0.1.0"
MAX_SHOWN: Final = 4096
"""Bytes of a refusal that are shown."""
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
        path = "/".join(_segment(segment) for segment in reference_value_id.split("/"))
        return (await self._send("GET", f"reference-value/{path}")).decode("utf-8", "replace")

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
            raise _refused(answer)
        return answer.body


def quoted(text: str) -> str:
    """Put a peer's text into double quotes, with nothing in it that drives a terminal."""
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _segment(segment: str) -> str:
    """Encode a segment of a path, dot segments too: URL libraries fold those."""
    return quote(segment) if segment.strip(".") else segment.replace(".", "%2E")


def _refused(answer: Answer) -> BrokerAnswerError:
    text = answer.body[:MAX_SHOWN].decode("utf-8", "replace")
    try:
        detail = ErrorInformation.parse(answer.body).detail
    except MessageError:
        detail = ""
    return BrokerAnswerError(
        f"Request Failed, Response: {quoted(text)}",
        status=answer.status,
        code=code_of(detail) or "ADMIN-REFUSED",
        advice=advice_of(detail) or "check the administrator's token and role, and what the answer says",
    )
