"""A guest's public key as a JWK: a secret is encrypted to it, or it is refused with MessageError or JweError."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attestation_protocol.encoding import compact_json, parse_json
from attestation_protocol.errors import EncodingError, JweError, MessageError
from attestation_protocol.jwe import encrypt
from attestation_protocol.jwk import parse_tee_public_key

from tests.conformance.recordings import http_recording

if TYPE_CHECKING:
    from collections.abc import Iterable


def target(data: bytes) -> None:
    try:
        value = parse_json(data)
        jwk = value if isinstance(value, dict) else {}
        encrypt(b"secret", parse_tee_public_key(jwk))
    except (EncodingError, MessageError, JweError):
        return


def seeds() -> Iterable[bytes]:
    for name in ("flow-rsa", "flow-p-256", "flow-p-521"):
        attest = next(step for step in http_recording(f"kbs/{name}").steps if b"tee-pubkey" in step.request.body)
        yield compact_json(attest.request.json["runtime-data"]["tee-pubkey"])
    yield b'{"kty":"EC","crv":"P-256","alg":"ECDH-ES+A256KW","x":"AA","y":"AA"}'
    yield b'{"kty":"AKP","alg":"ML-KEM-768+A192KW","pub":"AA"}'


TARGET = target
SEEDS = seeds
