"""Public keys that tokens are checked with, each for one algorithm.

    RS256 RS384 RS512 PS256 PS384 PS512    RSA, 2048 to 8192 bits
    ES256, ES384                           P-256, P-384
    EdDSA                                  Ed25519

The algorithm belongs to the key, never to the token: a token's `alg` must be the key's. Keys that both sides hold
(HS256 and its like) are not taken, nor is `none`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from attestation_protocol.encoding import b64url_decode
from attestation_protocol.errors import KeyFormatError, ProtocolError
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import Algorithm, OKPAlgorithm, RSAAlgorithm, RSAPSSAlgorithm

if TYPE_CHECKING:
    from collections.abc import Mapping

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | Ed25519PublicKey

RSA_BITS: Final = range(2048, 8192 + 1)
_MAX_EXPONENT_BITS: Final = 32


class _Ecdsa:
    """ECDSA in JWS form: r and s, big-endian, one behind the other (RFC 7518 section 3.4)."""

    def __init__(self, algorithm: hashes.HashAlgorithm, size: int) -> None:
        self._algorithm = ec.ECDSA(algorithm)
        self._size = size

    def verify(self, data: bytes, key: Any, signature: bytes) -> bool:  # noqa: ANN401  # as PyJWT's classes have it
        size = self._size
        if len(signature) != 2 * size:
            return False
        r, s = int.from_bytes(signature[:size]), int.from_bytes(signature[size:])
        try:
            key.verify(encode_dss_signature(r, s), data, self._algorithm)
        except InvalidSignature:
            return False
        return True


_RSA: Final[Mapping[str, Algorithm]] = {
    "RS256": RSAAlgorithm(RSAAlgorithm.SHA256),
    "RS384": RSAAlgorithm(RSAAlgorithm.SHA384),
    "RS512": RSAAlgorithm(RSAAlgorithm.SHA512),
    "PS256": RSAPSSAlgorithm(RSAPSSAlgorithm.SHA256),
    "PS384": RSAPSSAlgorithm(RSAPSSAlgorithm.SHA384),
    "PS512": RSAPSSAlgorithm(RSAPSSAlgorithm.SHA512),
}
_OTHERS: Final[Mapping[str, Algorithm | _Ecdsa]] = {
    "ES256": _Ecdsa(hashes.SHA256(), 32),
    "ES384": _Ecdsa(hashes.SHA384(), 48),
    "EdDSA": OKPAlgorithm(),
}
_ALGORITHMS: Final = {**_RSA, **_OTHERS}
_OF_CURVE: Final = {"secp256r1": "ES256", "secp384r1": "ES384"}
_CURVES: Final[Mapping[str, tuple[ec.EllipticCurve, int]]] = {
    "P-256": (ec.SECP256R1(), 32),
    "P-384": (ec.SECP384R1(), 48),
}
"""Curve and bytes of a coordinate."""


def algorithms_of(key: object) -> frozenset[str]:
    """Return the algorithms that a public key can check; none for a kind of key that is not taken."""
    if isinstance(key, rsa.RSAPublicKey) and key.key_size in RSA_BITS:
        return frozenset(_RSA)
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _OF_CURVE:
        return frozenset({_OF_CURVE[key.curve.name]})
    return frozenset({"EdDSA"} if isinstance(key, Ed25519PublicKey) else ())


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A public key, the one algorithm that it is for, and where it was configured."""

    algorithm: str
    key: PublicKey = field(repr=False)
    source: str

    def __post_init__(self) -> None:
        """Refuse an algorithm that is not one of the key's. Raises KeyFormatError."""
        fitting = algorithms_of(self.key)
        if self.algorithm not in fitting:
            raise KeyFormatError(
                f"{self.algorithm!r:.20} does not fit the key",
                advice=f"this key is for {', '.join(sorted(fitting)) or 'no algorithm that is taken here'}",
            )

    def has_signed(self, data: bytes, signature: bytes) -> bool:
        """Whether the signature, in JWS form, is the key's over the data."""
        return _ALGORITHMS[self.algorithm].verify(data, self.key, signature)


def key_from_jwk(jwk: object, source: str) -> TrustedKey:
    """Read a public JWK with its `alg`; other members are ignored. Raises KeyFormatError."""
    if not isinstance(jwk, dict) or not isinstance(jwk.get("alg"), str):
        raise KeyFormatError("a JWK that checks tokens is an object with `alg`")
    try:
        return TrustedKey(jwk["alg"], _public_key(jwk), source)
    except KeyFormatError:
        raise
    except (ProtocolError, ValueError, UnsupportedAlgorithm):
        raise KeyFormatError("the members of the JWK are no public key") from None


def key_from_pem(pem: bytes) -> PublicKey:
    """Read a PEM public key (SubjectPublicKeyInfo). Raises KeyFormatError."""
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | Ed25519PublicKey) or not algorithms_of(key):
        raise KeyFormatError(
            "not a PEM public key that is taken here", advice="use Ed25519, P-256, P-384 or RSA of 2048 bits and more"
        )
    return key


def _public_key(jwk: dict[str, Any]) -> PublicKey:
    kty, crv = jwk.get("kty"), jwk.get("crv")
    if kty == "RSA":
        n, e = (int.from_bytes(_bytes(jwk, name)) for name in ("n", "e"))
        if n.bit_length() not in RSA_BITS or e.bit_length() > _MAX_EXPONENT_BITS:
            raise KeyFormatError("an RSA key has 2048 to 8192 bits, and an exponent of at most 32")
        return rsa.RSAPublicNumbers(e, n).public_key()
    if kty == "EC" and isinstance(crv, str) and crv in _CURVES:
        curve, size = _CURVES[crv]
        x, y = _bytes(jwk, "x"), _bytes(jwk, "y")
        if (len(x), len(y)) != (size, size):
            raise KeyFormatError(f"coordinates on {crv} have {size} bytes")
        return ec.EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), curve).public_key()
    if kty == "OKP" and crv == "Ed25519":
        return Ed25519PublicKey.from_public_bytes(_bytes(jwk, "x"))
    raise KeyFormatError(f"keys of the kind {kty!r:.10} {crv!r:.10} are not taken")


def _bytes(jwk: dict[str, Any], name: str) -> bytes:
    value = jwk.get(name)
    if not isinstance(value, str):
        raise KeyFormatError(f"`{name}` of the JWK is missing or not a string")
    return b64url_decode(value)
