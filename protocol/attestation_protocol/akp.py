"""ML-KEM-768+A192KW: a content encryption key for a guest whose key is of FIPS 203 (draft-ietf-jose-pqc-kem-05).

    kek            KMAC256(key = shared secret, data = 00000011 || "ML-KEM-768+A192KW" || 000000c0, 24 bytes,
                   no customization)                                                    NIST SP 800-185
    encrypted_key  the content encryption key wrapped with AES-192 (RFC 3394)           40 bytes
    ek             in the header: the ciphertext of the encapsulation, base64url        1,088 bytes

The wire format is not final, and upstream has it behind a build switch. KMAC256 is pycryptodome's, which the extras
`guest` and `host` install; it is loaded when such a key is first used.
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric import mlkem
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from attestation_protocol.encoding import b64url_decode
from attestation_protocol.errors import EncodingError, JweError
from attestation_protocol.jwk import ML_KEM_768_A192KW

PUBLIC_KEY_SIZE: Final = 1184
CIPHERTEXT_SIZE: Final = 1088

_KEK_SIZE: Final = 24
_OTHER_INFO: Final = (
    len(ML_KEM_768_A192KW).to_bytes(4, "big") + ML_KEM_768_A192KW.encode() + (8 * _KEK_SIZE).to_bytes(4, "big")
)


def derive_kek(shared_secret: bytes) -> bytes:
    """Derive the 24 bytes that wrap, from the 32 bytes that ML-KEM agreed on. Raises JweError (JWE-UNAVAILABLE)."""
    try:
        from Crypto.Hash import KMAC256  # noqa: PLC0415  # an extra; most guests have keys of other kinds
    except ImportError:
        raise JweError(
            f"{ML_KEM_768_A192KW} needs KMAC256, which is not installed",
            code="JWE-UNAVAILABLE",
            advice="install pycryptodome, or use a TEE key of another kind",
        ) from None
    return KMAC256.new(key=shared_secret, data=_OTHER_INFO, mac_len=_KEK_SIZE).digest()


def public_key(pub: str) -> mlkem.MLKEM768PublicKey:
    """Read the `pub` of a JWK. Raises ValueError: not base64url, not 1,184 bytes, or no key."""
    try:
        raw = b64url_decode(pub)
    except EncodingError as error:
        raise ValueError(error.message) from None
    return mlkem.MLKEM768PublicKey.from_public_bytes(raw)


def wrap(cek: bytes, key: mlkem.MLKEM768PublicKey) -> tuple[bytes, bytes]:
    """Return the ciphertext of the encapsulation and the wrapped key. Raises JweError (JWE-UNAVAILABLE)."""
    shared_secret, ciphertext = key.encapsulate()
    return ciphertext, aes_key_wrap(derive_kek(shared_secret), cek)


def unwrap(encrypted_key: bytes, ek: object, key: mlkem.MLKEM768PrivateKey) -> bytes | None:
    """Return the content encryption key, or None where it does not unwrap. Raises JweError (JWE-UNAVAILABLE)."""
    try:
        shared_secret = key.decapsulate(b64url_decode(ek) if isinstance(ek, str) else b"")
    except (EncodingError, ValueError):
        return None
    kek = derive_kek(shared_secret)
    try:
        return aes_key_unwrap(kek, encrypted_key)
    except (InvalidUnwrap, ValueError):
        return None
