"""Whether an attestation token is to be trusted: pure, on what was loaded at the start.

    rule                                                                    otherwise
    header has `jwk`    the attestation service in this process has it      TOKEN-CHAIN, TOKEN-KEY
                        or a configured JWK set has it
                        or `insecure_header_jwk` is set
                        or `x5c` leads from it to a configured root
    header has `kid`    a configured JWK set has it; never beside `jwk`     TOKEN-KEY
    `alg` is the key's, one of those in `keys`                              TOKEN-ALG
    there is no `crit`                                                      TOKEN-CRIT
    the signature is the key's                                              TOKEN-SIGNATURE
    `exp` is there and has not passed (60 s of grace)                       TOKEN-CLAIMS, TOKEN-EXPIRED
    `nbf`, if it is there, has come (60 s of grace)                         TOKEN-CLAIMS, TOKEN-NOT-YET

`iss`, `aud` and `iat` are not looked at, as upstream: a token is for whoever trusts its issuer, and what it may open is
the policy's matter. Header and claims are JSON objects without double members, in at most 128 KiB of token
(TOKEN-FORMAT).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from attestack_common.errors import ConfigError
from attestack_common.files import read_bounded
from attestation_protocol.errors import KeyFormatError, TokenFormatError
from attestation_protocol.records import Record
from attestation_protocol.token import UnverifiedToken
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from trustee_core.token_trust.chain import UNREADABLE, decode_x5c, require_endorsed, require_readable
from trustee_core.token_trust.claims import date_problem
from trustee_core.token_trust.errors import TokenRefusedError
from trustee_core.token_trust.keys import PublicKey, TrustedKey, key_from_jwk
from trustee_core.token_trust.sources import MAX_BYTES, HttpGet, https_get, load_keys

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from trustee_core.token_trust.config import TokenTrustConfig

MAX_CACHED: Final = 256
"""Headers whose keys were found to be endorsed, and are remembered."""
MAX_CACHED_HEADER: Final = 32 * 1024

OWN_KEY: Final = "own"
HEADER_JWK: Final = "insecure_header_jwk"

_CONFIG: Final = "attestation_token"
_DATES: Final = {
    "missing": ("TOKEN-CLAIMS", "the token has no `exp`"),
    "malformed": ("TOKEN-CLAIMS", "a date of the token is not a number"),
    "exp": ("TOKEN-EXPIRED", "the token has expired"),
    "nbf": ("TOKEN-NOT-YET", "the token is not valid yet"),
}


class VerifiedToken(Record, frozen=True):
    """A token whose signature and dates hold."""

    HIDDEN: ClassVar = frozenset({"claims", "claims_json"})

    claims: dict[str, Any]
    key_source: str
    """What its key is trusted by: `own`, `insecure_header_jwk`, `trusted_certs_paths`, or a JWK set's address."""
    claims_json: bytes
    """The claims as the issuer wrote them."""


@dataclass(frozen=True, slots=True)
class _HeaderKey:
    """The key that was found for a header, and until when it may be used for it."""

    key: TrustedKey
    not_before: datetime | None = None
    not_after: datetime | None = None

    def holds(self, now: datetime) -> bool:
        return self.not_before is None or self.not_after is None or self.not_before <= now <= self.not_after


class TokenVerifier:
    """Verifies attestation tokens. Made once, by `load`."""

    def __init__(
        self,
        *,
        anchors: Sequence[x509.Certificate] = (),
        keys_by_kid: Mapping[str, TrustedKey] | None = None,
        listed_keys: Sequence[TrustedKey] = (),
        insecure_header_jwk: bool = False,
        own_keys: Sequence[TrustedKey] = (),
    ) -> None:
        self._anchors = tuple(anchors)
        self._keys_by_kid = dict(keys_by_kid or {})
        self._insecure_header_jwk = insecure_header_jwk
        self._known_keys = (*own_keys, *listed_keys)
        self._cache: OrderedDict[str, _HeaderKey] = OrderedDict()

    @classmethod
    async def load(
        cls, config: TokenTrustConfig, *, http_get: HttpGet = https_get, additional_keys: Sequence[TrustedKey] = ()
    ) -> Self:
        """Read certificates and JWK sets. `additional_keys` are those of an attestation service in this process.

        Raises ConfigError: something cannot be read, or nothing would be trusted (TOKEN-TRUST).
        """
        anchors = [anchor for path in config.trusted_certs_paths for anchor in _anchors(path)]
        keys_by_kid: dict[str, TrustedKey] = {}
        listed: list[TrustedKey] = []
        for source in config.trusted_jwk_sets:
            for kid, key in (await load_keys(source, http_get, key=f"{_CONFIG}.trusted_jwk_sets")).values():
                listed.append(key)
                if kid is not None:
                    keys_by_kid.setdefault(kid, key)
        configured = config.trusted_certs_paths or config.trusted_jwk_sets or config.insecure_header_jwk
        if not configured and not additional_keys:
            raise ConfigError(
                f"[{_CONFIG}] trusts no token at all",
                code="TOKEN-TRUST",
                advice="set trusted_certs_paths or trusted_jwk_sets, or run the attestation service built in",
            )
        return cls(
            anchors=anchors,
            keys_by_kid=keys_by_kid,
            listed_keys=listed,
            insecure_header_jwk=config.insecure_header_jwk,
            own_keys=additional_keys,
        )

    def verify(self, token: str, now: datetime) -> VerifiedToken:
        """Verify a compact JWS at a moment. Raises TokenRefusedError."""
        try:
            parsed = UnverifiedToken.parse(token)
        except TokenFormatError as error:
            raise TokenRefusedError(error.message, code="TOKEN-FORMAT") from None
        signed = token.rpartition(".")[0]
        if "crit" in parsed.header:
            raise TokenRefusedError("the token's header has `crit`, of which nothing is known here", code="TOKEN-CRIT")
        key = self._key(token.partition(".")[0], parsed.header, now)
        if parsed.header.get("alg") != key.algorithm:
            raise TokenRefusedError("the token's `alg` is not the one of its key", code="TOKEN-ALG")
        if not key.has_signed(signed.encode("ascii"), parsed.signature):
            raise TokenRefusedError("the token's signature is not its key's", code="TOKEN-SIGNATURE")
        problem = date_problem(parsed.claims, now)
        if problem is not None:
            code, message = _DATES[problem]
            raise TokenRefusedError(message, code=code, advice="attest again")
        return VerifiedToken(parsed.claims, key.source, parsed.claims_json)

    def _key(self, encoded: str, header: dict[str, Any], now: datetime) -> TrustedKey:
        if "jwk" not in header:
            kid = header.get("kid")
            found = self._keys_by_kid.get(kid) if isinstance(kid, str) else None
            if found is None:
                raise TokenRefusedError(
                    "the token names no key that is trusted here",
                    code="TOKEN-KEY",
                    advice="the operator lists the issuer's keys in attestation_token.trusted_jwk_sets",
                )
            return found
        cached = self._cache.get(encoded)
        if cached is None or not cached.holds(now):
            cached = self._header_key(header["jwk"], now)
            self._remember(encoded, cached)
        return cached.key

    def _header_key(self, jwk: Any, now: datetime) -> _HeaderKey:  # noqa: ANN401  # a token brings anything
        try:
            key = key_from_jwk(jwk, HEADER_JWK)
        except KeyFormatError as error:
            raise TokenRefusedError(f"the token's key: {error.message}", code="TOKEN-KEY") from None
        known = next((known for known in self._known_keys if _same(known.key, key.key)), None)
        if known is not None:
            return _HeaderKey(known)
        if self._insecure_header_jwk:
            return _HeaderKey(key)
        if not self._anchors:
            raise TokenRefusedError(
                "the token brings its own key along, which is not trusted",
                code="TOKEN-KEY",
                advice="the operator lists the issuer's root in attestation_token.trusted_certs_paths",
            )
        return self._endorsed(key, jwk, now)

    def _endorsed(self, key: TrustedKey, jwk: dict[str, Any], now: datetime) -> _HeaderKey:
        is_p256 = isinstance(key.key, ec.EllipticCurvePublicKey) and key.algorithm == "ES256"
        if not is_p256 and not isinstance(key.key, rsa.RSAPublicKey):
            raise TokenRefusedError("only keys of RSA and P-256 are endorsed by certificates", code="TOKEN-KEY")
        chain = decode_x5c(jwk.get("x5c"))
        if not _same(chain[0].public_key(), key.key):
            raise TokenRefusedError("the token's certificate is for another key than its own", code="TOKEN-CHAIN")
        endorsed = require_endorsed(chain, self._anchors, now)
        trusted = TrustedKey(key.algorithm, key.key, "trusted_certs_paths")
        return _HeaderKey(trusted, endorsed.not_before, endorsed.not_after)

    def _remember(self, encoded: str, key: _HeaderKey) -> None:
        if len(encoded) > MAX_CACHED_HEADER:
            return
        self._cache[encoded] = key
        if len(self._cache) > MAX_CACHED:
            self._cache.popitem(last=False)


def _same(one: object, other: PublicKey) -> bool:
    return type(one) is type(other) and one == other


def _anchors(path: str) -> list[x509.Certificate]:
    key = f"{_CONFIG}.trusted_certs_paths"
    pem = read_bounded(path, MAX_BYTES)
    try:
        certificates = x509.load_pem_x509_certificates(pem)
        for certificate in certificates:
            require_readable(certificate)
    except UNREADABLE:
        raise ConfigError(
            f"{key}: {path} has no certificates, or one that cannot be read",
            code="TOKEN-TRUST-CERTIFICATES",
            advice="put PEM certificates into the file, the root among them",
        ) from None
    return certificates
