"""A whole broker in this process, asked through its HTTP handler, and a guest with sample evidence that asks it."""

from __future__ import annotations

import base64
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from attestack_common import config as configuration
from attestation_protocol.jwe import decrypt
from attestation_protocol.rcar import report_data
from attestation_protocol.tee_key import TeeKeyAlgorithm, TeeKeyPair
from key_broker_service import assembly
from key_broker_service.config import CLOSED, KbsConfig, checked

from tests.unit.key_broker_service.fakes import Now, auth_body, cookie_of, request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from attestack_common.http_server import Response
    from key_broker_service.api import Api

SECRET = b"the-secret-bytes"
ALLOW = 'package policy\ndefault allow := false\nallow if data.plugin == "resource"\n'
ALLOW_EVERYTHING = "package policy\ndefault allow := true\n"
TOGETHER: dict[str, Any] = {
    "http_server": {"insecure_http": True},
    "admin": {"authorization_mode": "InsecureAllowAll"},
    "plugins": [{"name": "resource", "storage_backend_type": "kvstorage"}, {"name": "sample", "item": "x"}],
    "insecure_sample_evidence": True,
}


def config(**changes: Any) -> KbsConfig:
    """A configuration: memory, everyone an administrator, the sample gate open, and whatever a test changes."""
    decoded = configuration.decode(TOGETHER | changes, KbsConfig, source="kbs.toml", closed=CLOSED)
    return checked(decoded, source="kbs.toml")


class Broker:
    """A running broker."""

    def __init__(self, api: Api, now: Now) -> None:
        self.api = api
        self.now = now

    async def ask(self, method: str, target: str, body: Any = b"", **headers: str) -> Response:
        return await self.api(request(method, f"/kbs/v0/{target}", body, **headers))

    async def set_resource(self, path: str = "default/key/1", body: bytes = SECRET) -> None:
        assert (await self.ask("POST", f"resource/{path}", body)).status == 200

    async def set_policy(self, text: str) -> None:
        encoded = base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()
        assert (await self.ask("POST", "resource-policy", {"policy": encoded})).status == 200

    async def ready(self) -> Broker:
        """Hold a secret that every attested guest may have."""
        await self.set_resource()
        await self.set_policy(ALLOW)
        return self

    def counted(self, name: str, **labels: str) -> float:
        return self.api._metrics._registry.get_sample_value(name, labels) or 0


@asynccontextmanager
async def running(**changes: Any) -> AsyncIterator[Broker]:
    now = Now()
    async with assembly.broker(config(**changes), source="kbs.toml", clock=now) as api:
        yield Broker(api, now)


class Guest:
    """A guest with one key and one session."""

    def __init__(self, broker: Broker, algorithm: TeeKeyAlgorithm = TeeKeyAlgorithm.EC_P256) -> None:
        self.broker = broker
        self.key = TeeKeyPair.generate(algorithm)
        self.nonce = self.cookie = ""

    async def auth(self, tee: str = "sample") -> Guest:
        response = await self.broker.ask("POST", "auth", auth_body(tee))
        assert response.status == 200
        self.nonce, self.cookie = json.loads(response.body)["nonce"], cookie_of(response)
        return self

    def evidence(self, additional: str = "", key: TeeKeyPair | None = None) -> dict[str, Any]:
        """The body of `/attest`; evidence is bound to `key` where it is not the guest's own."""
        claims = {"nonce": self.nonce, "tee-pubkey": (key or self.key).public_key.to_jwk()}
        bound = report_data({**claims, "additional-evidence": additional})
        return {
            "init-data": None,
            "runtime-data": {"nonce": self.nonce, "tee-pubkey": self.key.public_key.to_jwk()},
            "tee-evidence": {
                "primary_evidence": {"svn": "1", "report_data": base64.b64encode(bound).decode()},
                "additional_evidence": additional,
            },
        }

    def device(self) -> str:
        """Additional evidence of a sample device."""
        claims = {"nonce": self.nonce, "tee-pubkey": self.key.public_key.to_jwk()}
        evidence = {"svn": "1", "report_data": base64.b64encode(report_data(claims)).decode()}
        return json.dumps({"sampledevice": evidence})

    async def attest(self, body: Any = None) -> Response:
        data = self.evidence() if body is None else body
        return await self.broker.ask("POST", "attest", data, cookie=self.cookie)

    async def token(self) -> str:
        """Go through the handshake; return the token."""
        await self.auth()
        response = await self.attest()
        assert response.status == 200, response.body
        return str(json.loads(response.body)["token"])

    async def get(self, target: str = "resource/default/key/1", **headers: str) -> Response:
        return await self.broker.ask("GET", target, **headers)

    async def by_cookie(self, target: str = "resource/default/key/1") -> Response:
        return await self.get(target, cookie=self.cookie)

    async def by_bearer(self, token: str, target: str = "resource/default/key/1") -> Response:
        return await self.get(target, authorization=f"Bearer {token}")

    def open(self, response: Response) -> bytes:
        assert response.status == 200, response.body
        return decrypt(response.body, self.key)
