"""The guest's public key as a JWK: the key that secrets are encrypted to.

    RSA   {"kty":"RSA","alg","n","e"}             b64url, big-endian
    EC    {"kty":"EC","crv","alg","x","y"}        b64url, fixed width (P-256 32 bytes, P-384 48, P-521 66)
    AKP   {"kty":"AKP","alg","pub"}               b64url, the raw public key

All listed members are required strings; any other member is dropped, since both ends hash the typed key. The values are
looked at when something is encrypted to the key, not before: `attestation_protocol.jwe` does that.
"""

from __future__ import annotations

from typing import Any, Final

from attestation_protocol.errors import MessageError
from attestation_protocol.records import Record

ECDH_ES_A256KW: Final = "ECDH-ES+A256KW"
RSA_OAEP_256: Final = "RSA-OAEP-256"
RSA1_5: Final = "RSA1_5"
ML_KEM_768_A192KW: Final = "ML-KEM-768+A192KW"


class RsaTeeKey(Record, frozen=True):
    """An RSA public key."""

    alg: str
    n: str
    e: str

    def to_jwk(self) -> dict[str, str]:
        """Return the members, in the order of the stock guest."""
        return {"kty": "RSA", "alg": self.alg, "n": self.n, "e": self.e}


class EcTeeKey(Record, frozen=True):
    """A public key on a NIST curve."""

    crv: str
    alg: str
    x: str
    y: str

    def to_jwk(self) -> dict[str, str]:
        """Return the members, in the order of the stock guest."""
        return {"kty": "EC", "crv": self.crv, "alg": self.alg, "x": self.x, "y": self.y}


class AkpTeeKey(Record, frozen=True):
    """A public key of an algorithm with keys of its own kind (ML-KEM)."""

    alg: str
    pub: str

    def to_jwk(self) -> dict[str, str]:
        """Return the members, in the order of the stock guest."""
        return {"kty": "AKP", "alg": self.alg, "pub": self.pub}


TeePublicKey = RsaTeeKey | EcTeeKey | AkpTeeKey

_FORMS: Final[dict[str, tuple[type[RsaTeeKey | EcTeeKey | AkpTeeKey], tuple[str, ...]]]] = {
    "RSA": (RsaTeeKey, RsaTeeKey.__struct_fields__),
    "EC": (EcTeeKey, EcTeeKey.__struct_fields__),
    "AKP": (AkpTeeKey, AkpTeeKey.__struct_fields__),
}


def parse_tee_public_key(jwk: dict[str, Any]) -> TeePublicKey:
    """Read a JWK. Raises MessageError (TEE-PUBKEY) for another `kty`, or a member that is missing or no string."""
    kty = jwk.get("kty")
    form = _FORMS.get(kty) if isinstance(kty, str) else None
    if form is None:
        raise MessageError(f"`kty` of tee-pubkey must be one of {', '.join(_FORMS)}", code="TEE-PUBKEY")
    key_type, names = form
    members = []
    for name in names:
        value = jwk.get(name)
        if not isinstance(value, str):
            raise MessageError(f"`{name}` of tee-pubkey is missing or not a string", code="TEE-PUBKEY")
        members.append(value)
    return key_type(*members)
