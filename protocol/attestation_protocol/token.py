"""Compact JWS as a guest sees it: header and claims read without checking the signature.

A guest cannot check a token that it is the subject of; it reads the dates to know when to renew. Whoever relies on a
token verifies it with `trustee_core.token_trust`.
"""

from __future__ import annotations

import functools
from typing import Any, ClassVar, Final, Self

from attestation_protocol.encoding import b64url_decode, parse_json
from attestation_protocol.errors import EncodingError, TokenFormatError
from attestation_protocol.records import Record

MAX_TOKEN: Final = 128 * 1024
"""Characters of a token at the most: it has to fit into a request head."""

_MAX_KNOWN_HEADER: Final = 8 * 1024


class UnverifiedToken(Record, frozen=True):
    """A token that was taken apart. Nothing in it is authentic."""

    HIDDEN: ClassVar = frozenset({"text", "claims", "claims_json", "signature"})

    text: str
    header: dict[str, Any]
    """What is inside of it is shared by tokens with the same header, and only read."""
    claims: dict[str, Any]
    claims_json: bytes
    """The claims as the issuer wrote them."""
    signature: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take a compact JWS apart. Raises TokenFormatError."""
        parts = text.split(".") if len(text) <= MAX_TOKEN else []
        if len(parts) != 3:  # noqa: PLR2004  # RFC 7515 section 7.1
            raise TokenFormatError("not a compact JWS of three parts, or one longer than 128 KiB")
        try:
            header = _known_header(parts[0]) if len(parts[0]) <= _MAX_KNOWN_HEADER else _header(parts[0])
            claims_json = b64url_decode(parts[1])
            claims = parse_json(claims_json)
            signature = b64url_decode(parts[2])
        except EncodingError as error:
            raise TokenFormatError(f"a part of the token does not decode: {error.message}") from None
        if not isinstance(header, dict) or not isinstance(claims, dict):
            raise TokenFormatError("header and claims of a token are JSON objects")
        return cls(text, dict(header), claims, claims_json, signature)

    @property
    def expires(self) -> float | None:
        """`exp` in seconds since the epoch, or None."""
        return _number(self.claims.get("exp"))

    @property
    def issued(self) -> float | None:
        """`iat` in seconds since the epoch, or None."""
        return _number(self.claims.get("iat"))

    @property
    def not_before(self) -> float | None:
        """`nbf` in seconds since the epoch, or None."""
        return _number(self.claims.get("nbf"))


def _header(encoded: str) -> Any:  # noqa: ANN401  # JSON from outside
    return parse_json(b64url_decode(encoded))


_known_header: Final = functools.lru_cache(maxsize=64)(_header)
"""All tokens of an issuer have one and the same header."""


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
