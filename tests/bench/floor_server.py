"""The floor under a broker: the three requests of a flow, with nothing done but what no broker can leave out.

    python -m tests.bench.floor_server PORT

A bare ASGI application under uvicorn, which answers a guest so that it gets its secret. Bodies and answers have the
sizes of a broker's. In a flow it calls, with what the guest sent, the product's own functions for

    auth       nothing
    attest     the report data's hash, one evaluation of the default policy for CPUs, the token's ES256 signature
    resource   the token's ES256 check, one evaluation of the default resource policy, the JWE

There are no bounds, checks, sessions, stores, logs, metrics or records: what a guest sent is found by its cookie in a
dictionary, and forgotten when it has its secret. Everything that can be made once was made at the start.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from attestation_protocol import jwe
from attestation_protocol.encoding import b64std_encode, b64url_decode, b64url_encode, compact_json
from attestation_protocol.jwk import EcTeeKey
from attestation_protocol.rcar import report_data
from attestation_service.appraisal import RULES
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from key_broker_service.resource_policy import RULE
from trustee_core.policy.regorus import RegorusEngine
from trustee_core.token_trust.keys import TrustedKey

from tests.integration.kbs_config import ALLOW

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SECRET: Final = b"the-secret-bytes"
ES256: Final = ec.ECDSA(hashes.SHA256())
SIGNER: Final = ec.generate_private_key(ec.SECP256R1())
VERIFIER: Final = TrustedKey("ES256", SIGNER.public_key(), "own")
COORDINATE: Final = "x" * 43
HEADER: Final = b64url_encode(
    compact_json(
        {
            "typ": "JWT",
            "alg": "ES256",
            "jwk": {"alg": "ES256", "kty": "EC", "crv": "P-256", "x": COORDINATE, "y": COORDINATE},
        }
    )
)
VECTOR: Final = {
    "instance-identity": 0,
    "configuration": 2,
    "executables": 33,
    "file-system": 0,
    "hardware": 97,
    "runtime-opaque": 0,
    "storage-opaque": 0,
    "sourced-data": 0,
}
ENGINE: Final = RegorusEngine()
CPU_POLICY: Final = resources.files("attestation_service").joinpath("policies", "default_cpu.rego").read_text()
DATA: Final = compact_json({"plugin": "resource", "resource-path": ["default", "key", "0"], "query": {}})
SET_COOKIE: Final = b"kbs-session-id=%b; Expires=Wed, 25 Nov 2026 17:00:00 GMT"
COOKIE_SIZE: Final = 181
JSON: Final = (b"content-type", b"application/json")

guests: Final[dict[bytes, Any]] = {}
"""By cookie: first the guest's nonce, then its key and token."""


async def auth(_cookie: bytes, body: bytes) -> tuple[bytes, bytes]:
    json.loads(body)
    nonce = b64std_encode(os.urandom(32))
    cookie = os.urandom(16).hex().encode().ljust(COOKIE_SIZE, b"x")
    guests[cookie] = nonce
    return cookie, compact_json({"nonce": nonce, "extra-params": ""})


async def attest(cookie: bytes, body: bytes) -> tuple[bytes, bytes]:
    runtime_data = json.loads(body)["runtime-data"]
    claims = {"additional-evidence": "", **runtime_data}
    evidence = {
        "report_data": b64std_encode(report_data(claims)),
        "runtime_data_claims": claims,
        "sample": {
            "svn": "1",
            "launch_digest": "abcde",
            "platform_version": {"major": 1, "minor": 4},
            "debug": False,
        },
    }
    await ENGINE.evaluate(CPU_POLICY, RULES, input_json=compact_json(evidence))
    token = signed(
        {
            "eat_profile": "tag:github.com,2024:confidential-containers/Trustee",
            "iat": 1_700_000_000,
            "ear.verifier-id": {
                "developer": "https://confidentialcontainers.org",
                "build": "attestation-service 0.1.0",
            },
            "submods": {
                "cpu0": {
                    "ear.status": "contraindicated",
                    "ear.trustworthiness-vector": VECTOR,
                    "ear.appraisal-policy-id": "default",
                    "ear.veraison.annotated-evidence": evidence,
                    "ear.trustee.identifiers": {"validated": {}},
                }
            },
            "exp": 1_700_000_300,
            "iss": "CoCo-Attestation-Service",
        }
    )
    key = runtime_data["tee-pubkey"]
    guests[cookie] = EcTeeKey(key["crv"], key["alg"], key["x"], key["y"]), token
    return cookie, compact_json({"token": token})


async def resource(cookie: bytes, _body: bytes) -> tuple[bytes, bytes]:
    key, token = guests.pop(cookie)
    head, signature = token.rsplit(".", 1)
    assert VERIFIER.has_signed(head.encode(), b64url_decode(signature))
    claims = base64.urlsafe_b64decode(head.split(".")[1] + "==")
    await ENGINE.evaluate(ALLOW, [RULE], input_json=claims, data_json=DATA)
    return b"", jwe.encrypt(SECRET, key)


def signed(claims: dict[str, Any]) -> str:
    text = f"{HEADER}.{b64url_encode(compact_json(claims))}"
    r, s = decode_dss_signature(SIGNER.sign(text.encode(), ES256))
    return f"{text}.{b64url_encode(r.to_bytes(32) + s.to_bytes(32))}"


STEPS: Final = {"auth": auth, "attest": attest, "resource": resource}


async def application(
    scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    """Answer one request; the whole body is read first."""
    body = b""
    if scope["method"] == "POST":
        message = await receive()
        body = message["body"]
        while message["more_body"]:
            message = await receive()
            body += message["body"]
    cookie = next((value for name, value in scope["headers"] if name == b"cookie"), b"")
    cookie, body = await STEPS[scope["path"].split("/")[3]](cookie.partition(b"=")[2], body)
    head = [(b"content-length", b"%d" % len(body)), JSON]
    if cookie:
        head.append((b"set-cookie", SET_COOKIE % cookie))
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    asyncio.run(ENGINE.check(CPU_POLICY, RULES))
    uvicorn.run(
        application,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        http="httptools",
        lifespan="off",
        access_log=False,
        server_header=False,
        log_level="error",
    )
