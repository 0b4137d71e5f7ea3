"""A token with the key that opens what is released on it, as the agent hands it out.

{"token": "<compact JWS>", "tee_keypair": "<PEM>"}        PKCS#8 for EC keys, PKCS#1 for RSA keys
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from attestation_protocol.encoding import compact_json, parse_json
from attestation_protocol.errors import EncodingError, TokenFormatError
from attestation_protocol.tee_key import TeeKeyPair
from attestation_protocol.token import UnverifiedToken

if TYPE_CHECKING:
    from datetime import datetime

REFUSED_TOKEN: Final = "attestack-refused-token"  # noqa: S105  # the name of a metadata key
"""Metadata by which an agent's caller says, by fingerprint, which token the broker did not take."""

RENEWAL_MARGIN: Final = 30.0
"""Seconds before its end from which on a token is not used any more."""


@dataclass(frozen=True, slots=True)
class AttestationToken:
    """A token and its key pair. The repr shows neither."""

    token: UnverifiedToken = field(repr=False)
    key: TeeKeyPair = field(repr=False)

    @classmethod
    def parse(cls, document: bytes) -> Self:
        """Read the agent's document. Raises TokenFormatError, or KeyFormatError for its key."""
        try:
            value = parse_json(document)
        except EncodingError as error:
            raise TokenFormatError(f"the agent's token does not decode: {error.message}") from None
        token, pem = (value.get(name) if isinstance(value, dict) else None for name in ("token", "tee_keypair"))
        if not isinstance(token, str) or not isinstance(pem, str):
            raise TokenFormatError("the agent's token lacks `token` or `tee_keypair`")
        return cls(UnverifiedToken.parse(token), TeeKeyPair.from_pem(pem.encode()))

    def to_json(self) -> bytes:
        """Encode as the agent hands it out. The result is a secret."""
        return compact_json({"token": self.token.text, "tee_keypair": self.key.to_pem().decode()})

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the token's text in hex: it names a token without being one."""
        return hashlib.sha256(self.token.text.encode()).hexdigest()

    @property
    def issued(self) -> float | None:
        """`iat` in seconds since the epoch, or None."""
        return self.token.issued

    def usable_at(self, now: datetime, margin: float = RENEWAL_MARGIN) -> bool:
        """Whether it may be used at `now`: it has begun, and does not end within `margin` seconds.

        A token that lives shorter than four times the margin is used for three quarters of its life. One without an
        end is not kept.
        """
        expires = self.token.expires
        if expires is None:
            return False
        seconds = now.timestamp()
        if self.issued is not None:
            margin = min(margin, max(0.0, expires - self.issued) / 4)
        return (self.token.not_before or 0.0) <= seconds < expires - margin
