"""Who an administrator's JWT says its bearer is: pure, on keys that were loaded at the start.

Each identity provider is tried in turn, with the keys that it has:

    its JWK set has the token's `kid`     that key alone, and the algorithm of that key
    otherwise                             its PEM keys, with the token's `alg` where it is one of the key's

A provider takes the token if the signature is its key's, `exp` is there and has not passed, `nbf` has come (60 s of
grace for both), `iss` is its issuer and `aud` holds its audience, where these are configured. Then `role` must be one
string: without it the answer is no, whatever the other providers would say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from attestation_protocol.encoding import b64url_decode
from attestation_protocol.errors import KeyFormatError, TokenFormatError
from attestation_protocol.token import UnverifiedToken

from trustee_core.token_trust.claims import date_problem
from trustee_core.token_trust.errors import AdminDeniedError
from trustee_core.token_trust.keys import PublicKey, TrustedKey

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

_DENIED: Final = "Admin access denied: "
NO_ISSUER: Final = f"{_DENIED}Cannot verify token with any of the issuers"
NO_ROLE: Final = (
    f"{_DENIED}Failed to parse claims from token: "
    'AdminAccessDenied { reason: "Missing required `role` claim in JWT" }'
)
_DATES: Final = {
    "missing": ("ADMIN-TOKEN-CLAIMS", "give the token an `exp`"),
    "malformed": ("ADMIN-TOKEN-CLAIMS", "`exp` and `nbf` are seconds since 1970"),
    "exp": ("ADMIN-TOKEN-EXPIRED", "the token has expired: make a new one"),
    "nbf": ("ADMIN-TOKEN-NOT-YET", "the token is not valid yet: look at its `nbf` and at the clocks"),
}


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """Someone whose word is taken for who an administrator is."""

    issuer: str | None = None
    audience: str | None = None
    pem_keys: tuple[PublicKey, ...] = field(default=(), repr=False)
    keys_by_kid: Mapping[str, TrustedKey] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class AdminIdentity:
    """Who an administrator is."""

    role: str
    issuer: str
    """`iss` of the token, or empty."""
    subject: str
    """`sub` of the token, or empty: for records."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why a provider does not take a token. `weight` grows with how much of the token held."""

    weight: int
    code: str
    advice: str


def verify_admin_token(token: str, providers: Sequence[IdentityProvider], now: datetime) -> AdminIdentity:
    """Verify an administrator's token at a moment. Raises AdminDeniedError; its code is that of the nearest miss."""
    try:
        parsed = UnverifiedToken.parse(token)
    except TokenFormatError:
        raise AdminDeniedError(NO_ISSUER, code="ADMIN-TOKEN-FORMAT", advice="send a compact JWS") from None
    nearest = _Refusal(0, "ADMIN-TOKEN-KEY", "no configured key has signed the token")
    for provider in providers:
        refusal = _refusal(provider, parsed, now)
        if refusal is None:
            return _identity(parsed.claims)
        nearest = max(nearest, refusal, key=lambda each: each.weight)
    raise AdminDeniedError(NO_ISSUER, code=nearest.code, advice=nearest.advice)


def _refusal(provider: IdentityProvider, token: UnverifiedToken, now: datetime) -> _Refusal | None:
    signed, _, signature = token.text.rpartition(".")
    data, signature_bytes = signed.encode("ascii"), b64url_decode(signature)
    if "crit" in token.header or not any(
        key.has_signed(data, signature_bytes) for key in _candidates(provider, token.header)
    ):
        return _Refusal(0, "ADMIN-TOKEN-KEY", "no configured key has signed the token")
    problem = date_problem(token.claims, now)
    if problem is not None:
        return _Refusal(1, *_DATES[problem])
    if provider.issuer is not None and token.claims.get("iss", "") != provider.issuer:
        return _Refusal(2, "ADMIN-TOKEN-ISSUER", "`iss` of the token is not the configured issuer")
    if provider.audience is not None and provider.audience not in _audiences(token.claims):
        return _Refusal(3, "ADMIN-TOKEN-AUDIENCE", "`aud` of the token does not hold the configured audience")
    return None


def _candidates(provider: IdentityProvider, header: Mapping[str, Any]) -> Iterator[TrustedKey]:
    kid, algorithm = header.get("kid"), header.get("alg")
    known = provider.keys_by_kid.get(kid) if isinstance(kid, str) else None
    if known is not None:
        if known.algorithm == algorithm:
            yield known
        return
    for key in provider.pem_keys:
        try:
            yield TrustedKey(str(algorithm), key, "public_key_uri")
        except KeyFormatError:
            continue


def _audiences(claims: Mapping[str, Any]) -> list[Any]:
    audience = claims.get("aud")
    return audience if isinstance(audience, list) else [audience]


def _identity(claims: Mapping[str, Any]) -> AdminIdentity:
    role = claims.get("role")
    if not isinstance(role, str):
        raise AdminDeniedError(NO_ROLE, code="ADMIN-TOKEN-ROLE", advice="give the token one `role`, a string")
    issuer, subject = (claims.get(name) for name in ("iss", "sub"))
    return AdminIdentity(role, issuer if isinstance(issuer, str) else "", subject if isinstance(subject, str) else "")
