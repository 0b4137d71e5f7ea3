"""The guest's key pair: made for a handshake, it opens what the broker encrypts to it.

PEM forms are those of the stock agent: PKCS#8 for EC keys, PKCS#1 for RSA keys; both are read for both. It has none for
ML-KEM keys, so those stay in the process that made them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Self, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, rsa

from attestation_protocol.encoding import b64url_encode
from attestation_protocol.errors import KeyFormatError
from attestation_protocol.jwk import (
    ECDH_ES_A256KW,
    ML_KEM_768_A192KW,
    RSA_OAEP_256,
    AkpTeeKey,
    EcTeeKey,
    RsaTeeKey,
    TeePublicKey,
)

PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | mlkem.MLKEM768PrivateKey

RSA_BITS: Final = 2048
CURVES: Final[dict[str, ec.EllipticCurve]] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
CURVE_NAMES: Final = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
COORDINATE_SIZE: Final = {"P-256": 32, "P-384": 48, "P-521": 66}
"""Bytes of a coordinate, and of the shared secret."""


class TeeKeyAlgorithm(StrEnum):
    """The kinds of key, by the names that the agent's configuration has for them (`tee_key_algorithm`)."""

    EC_P256 = "ECDH-ES+A256KW-P256"
    EC_P384 = "ECDH-ES+A256KW-P384"
    EC_P521 = "ECDH-ES+A256KW-P521"
    RSA = "RSA-OAEP-256"
    ML_KEM_768 = "ML-KEM-768+A192KW"


class TeeKeyPair:
    """A key pair. Its repr shows nothing of it."""

    __slots__ = ("private_key", "public_key")

    def __init__(self, private_key: PrivateKey) -> None:
        self.private_key = private_key
        self.public_key = _public(private_key)

    @classmethod
    def generate(cls, algorithm: TeeKeyAlgorithm = TeeKeyAlgorithm.EC_P256) -> Self:
        """Make a new key pair."""
        if algorithm is TeeKeyAlgorithm.RSA:
            return cls(rsa.generate_private_key(65537, RSA_BITS))
        if algorithm is TeeKeyAlgorithm.ML_KEM_768:
            return cls(mlkem.MLKEM768PrivateKey.generate())
        return cls(ec.generate_private_key(CURVES[f"P-{algorithm[-3:]}"]))

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """Read an unencrypted private key. Raises KeyFormatError."""
        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None
        if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in CURVE_NAMES:
            return cls(key)
        if isinstance(key, rsa.RSAPrivateKey):
            return cls(key)
        raise KeyFormatError(
            "the TEE key is not an unencrypted PEM private key",
            advice="give an RSA key (PKCS#1) or an EC key on P-256, P-384 or P-521 (PKCS#8)",
        )

    def to_pem(self) -> bytes:
        """Encode: PKCS#8 for EC, PKCS#1 for RSA, LF line endings. The result is a secret.

        Raises KeyFormatError (TEE-KEY-EXPORT) for an ML-KEM key.
        """
        if isinstance(self.private_key, mlkem.MLKEM768PrivateKey):
            raise KeyFormatError(
                f"a TEE key of {ML_KEM_768_A192KW} has no PEM form",
                code="TEE-KEY-EXPORT",
                advice="set tee_key_algorithm to another one where the token is given out with its key",
            )
        pkcs1 = isinstance(self.private_key, rsa.RSAPrivateKey)
        form = serialization.PrivateFormat.TraditionalOpenSSL if pkcs1 else serialization.PrivateFormat.PKCS8
        return self.private_key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())

    def __repr__(self) -> str:
        return f"TeeKeyPair({type(self.public_key).__name__})"


def _public(key: PrivateKey) -> TeePublicKey:
    if isinstance(key, mlkem.MLKEM768PrivateKey):
        return AkpTeeKey(ML_KEM_768_A192KW, b64url_encode(key.public_key().public_bytes_raw()))
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        n, e = (b64url_encode(i.to_bytes((i.bit_length() + 7) // 8, "big")) for i in (numbers.n, numbers.e))
        return RsaTeeKey(RSA_OAEP_256, n, e)
    crv = CURVE_NAMES[key.curve.name]
    point = key.public_key().public_numbers()
    x, y = (b64url_encode(i.to_bytes(COORDINATE_SIZE[crv], "big")) for i in (point.x, point.y))
    return EcTeeKey(crv, ECDH_ES_A256KW, x, y)
