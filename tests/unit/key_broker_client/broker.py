"""A broker for the client's tests, behind the transport's interface: no sockets, and it can lie."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from attestation_protocol import jwe
from attestation_protocol.encoding import b64std_encode, b64url_encode
from attestation_protocol.errors import ErrorInformation
from attestation_protocol.rcar import Attestation, Request, report_data
from attestation_protocol.tee import Tee
from key_broker_client.errors import BrokerUnreachableError
from key_broker_client.transport import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping


def token_text(**claims: Any) -> str:
    """A token that nobody signed: the client does not check signatures."""
    parts = [b64url_encode(json.dumps(part).encode()) for part in ({"alg": "ES256"}, claims)]
    return ".".join([*parts, "c2ln"])


def refusal(variant: str, detail: str = "detail", status: int = 401) -> Answer:
    return Answer(status, ErrorInformation(variant, detail).to_json())


@dataclass
class Broker:
    """Answers as a stock broker does, and keeps what it was sent. `answers` overrule, each once, by method and path."""

    secret: bytes = b"the-secret-bytes"
    extra_params: Any = ""
    lost: int = 0
    """How many requests get no answer, first."""
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    seen: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    attested: Attestation | None = None
    closed: int = 0

    async def close(self) -> None:
        self.closed += 1

    async def send(self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str]) -> Answer:
        self.seen.append((f"{method} {path}", dict(headers), body or b""))
        if self.lost:
            self.lost -= 1
            raise BrokerUnreachableError("nobody answers")
        waiting = self.answers.get(f"{method} {path}")
        if waiting:
            return waiting.pop(0)
        if path == "/kbs/v0/auth":
            assert Request.parse(body or b"").tee is Tee.SAMPLE
            challenge = {"nonce": "bm9uY2U=", "extra-params": self.extra_params}
            cookie = "kbs-session-id=abc; Expires=Sun, 22 Nov 2026 11:16:57 GMT"
            return Answer(200, json.dumps(challenge).encode(), ("other=1", cookie))
        if path == "/kbs/v0/attest":
            assert headers["cookie"] == "kbs-session-id=abc"
            self.attested = Attestation.parse(body or b"")
            return Answer(200, json.dumps({"token": token_text(exp=4_000_000_000, iat=1)}).encode())
        if not self.attested:
            return refusal("TokenNotFound", "Attestation Token not found")
        return Answer(200, jwe.encrypt(self.secret, self.attested.runtime_data.tee_pubkey))

    @property
    def requests(self) -> list[str]:
        return [request for request, _, _ in self.seen]


@dataclass
class SampleEvidence:
    """Evidence that carries the report data and proves nothing."""

    devices: str = ""

    async def tee(self) -> Tee:
        return Tee.SAMPLE

    async def evidence(self, data: bytes) -> Any:
        return {"svn": "1", "report_data": b64std_encode(data)}

    async def additional_evidence(self, data: bytes) -> str:
        return self.devices and json.dumps({"sampledevice": {"svn": "2", "report_data": b64std_encode(data)}})


def bound(attestation: Attestation, algorithm: Any) -> bool:
    """Whether the evidence carries the digest that the broker expects."""
    claims = attestation.runtime_data.primary_claims(attestation.additional_evidence)
    return bool(attestation.primary_evidence["report_data"] == b64std_encode(report_data(claims, algorithm)))
