"""Tokens and certificates from outside: verified, or refused with the one error of each.

The bytes are a token: for a verifier that takes any header key, for one that wants certificates, for administrators.
Then they are the header of a token, and then a certificate of `x5c`.
"""

from __future__ import annotations

import base64
import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_public_key
from trustee_core.token_trust import AdminDeniedError, TokenRefusedError, TokenVerifier
from trustee_core.token_trust.admin_jwt import IdentityProvider, verify_admin_token
from trustee_core.token_trust.chain import decode_x5c, require_endorsed

from tests.conformance.recordings import http_recording

if TYPE_CHECKING:
    from collections.abc import Iterable

NOW = datetime(2026, 11, 22, 11, 14, tzinfo=UTC)
ISSUE = http_recording("passport/issue")
ADMIN = http_recording("passport/admin-authentication")
ANCHORS = x509.load_pem_x509_certificates(ISSUE.members["ca_pem"].encode())
ADMIN_KEY = load_pem_public_key(ADMIN.members["admin_public_pem"].encode())
PROVIDERS = [IdentityProvider(None, None, (ADMIN_KEY,))]  # type: ignore[arg-type]  # Ed25519
MAX_LEN = 8192


def target(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    body = base64.urlsafe_b64encode(b'{"exp":9999999999}').rstrip(b"=").decode()
    header = base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    for token in (text, f"{header}.{body}.AAAA"):
        _verify(TokenVerifier(insecure_header_jwk=True), token)
        _verify(TokenVerifier(anchors=ANCHORS), token)
        with contextlib.suppress(AdminDeniedError):
            verify_admin_token(token, PROVIDERS, NOW)
    with contextlib.suppress(TokenRefusedError):
        require_endorsed(decode_x5c([base64.b64encode(data).decode()]), ANCHORS, NOW)


def _verify(verifier: TokenVerifier, token: str) -> None:
    with contextlib.suppress(TokenRefusedError):
        verifier.verify(token, NOW)


def seeds() -> Iterable[bytes]:
    token: str = ISSUE.steps[1].response.json["token"]
    header = token.split(".", maxsplit=1)[0]
    decoded = base64.urlsafe_b64decode(header + "=" * (-len(header) % 4))
    admin = ADMIN.steps[1].request.headers.get("authorization") or ""
    der = ANCHORS[0].public_bytes(Encoding.DER)
    return (token.encode(), decoded, admin.removeprefix("Bearer ").encode(), der, b"..", b"a.b.c")


TARGET = target
SEEDS = seeds
