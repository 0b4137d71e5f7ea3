"""Stand-ins for what the broker is composed of, and a guest that speaks to its handler without a socket."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from attestack_common.http_server import Request, Response
from attestation_protocol.errors import code_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attestation_protocol.tee import Tee
    from attestation_service.contract import EvidenceRequest

START = datetime(2026, 11, 22, 11, 11, 57, tzinfo=UTC)
KEY = {"kty": "EC", "crv": "P-256", "alg": "ECDH-ES+A256KW", "x": "eA", "y": "eQ"}
ERRORS = "https://github.com/confidential-containers/kbs/errors/"


class Now:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        return self.time

    def pass_(self, **amount: float) -> None:
        self.time += timedelta(**amount)


class FakeBackend:
    """An attestation service that does what its test says, and keeps what it was asked."""

    def __init__(self) -> None:
        self.refusal: Exception | None = None
        self.requests: list[Sequence[EvidenceRequest]] = []
        self.policy_ids: Sequence[str] = ()
        self.policies: dict[str, str] = {}
        self.messages: list[str] = []
        self.values: dict[str, Any] = {}

    async def evaluate(self, requests: Sequence[EvidenceRequest], policy_ids: Sequence[str] = ()) -> str:
        self._raise()
        self.requests.append(requests)
        self.policy_ids = policy_ids
        return f"token.{len(self.requests)}"

    async def set_policy(self, policy_id: str, policy_base64url: str) -> None:
        self._raise()
        self.policies[policy_id] = policy_base64url

    async def register_reference_value(self, message: str) -> None:
        self._raise()
        self.messages.append(message)

    async def query_reference_value(self, reference_value_id: str) -> Any:
        self._raise()
        return self.values.get(reference_value_id)

    async def challenge(self, tee: Tee, parameters: str) -> str:
        self._raise()
        return f"{tee} {parameters}"

    def _raise(self) -> None:
        if self.refusal is not None:
            raise self.refusal


def request(method: str, target: str, body: Any = b"", **headers: str) -> Request:
    """A request as the HTTP edge hands it over; a body that is not bytes is sent as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Request(method, target.encode(), headers=headers, body=data, client_host="127.0.0.1")


def auth_body(tee: str = "sample", **changes: Any) -> dict[str, Any]:
    return {"version": "0.4.0", "tee": tee, "extra-params": ""} | changes


def attest_body(nonce: str, **changes: Any) -> dict[str, Any]:
    evidence = {"primary_evidence": {"svn": "1"}, "additional_evidence": changes.pop("additional", "")}
    return {"runtime-data": {"nonce": nonce, "tee-pubkey": KEY}, "tee-evidence": evidence} | changes


def cookie_of(response: Response) -> str:
    """The cookie that a response sets, as a client sends it back."""
    return dict(response.headers)["set-cookie"].partition(";")[0]


def variant(response: Response) -> str:
    return str(json.loads(response.body)["type"]).removeprefix(ERRORS)


def detail(response: Response) -> str:
    return str(json.loads(response.body)["detail"])


def code(response: Response) -> str | None:
    return code_of(detail(response))
