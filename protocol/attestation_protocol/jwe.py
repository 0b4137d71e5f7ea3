"""Secrets on their way to a guest: JWE in flattened JSON serialization (RFC 7516 section 7.2.2), A256GCM.

    {"protected","encrypted_key","iv","ciphertext","tag"}       all b64url; no `aad`, no `header`

The stock guest does not authenticate the `protected` string that it got: it parses it and serialises it again,
compactly, as `alg`, `enc`, then the rest. So the header is written in exactly that form, with `epk` as crv, kty, x, y.

    RSA-OAEP-256      OAEP with SHA-256 and MGF1-SHA-256, empty label, 2048 to 4096 bits
    ECDH-ES+A256KW    ephemeral ECDH on P-256, P-384 or P-521; Concat KDF with SHA-256, AlgorithmID the name of the
                      algorithm, empty PartyUInfo and PartyVInfo, 256 bits (RFC 7518 section 4.6.2); the key is
                      wrapped with AES (RFC 3394)
    ML-KEM-768+A192KW see `akp`

The additional authenticated data are the ASCII bytes of the encoded header. RSA1_5 is never opened: its padding makes
an oracle of whoever does. It is encrypted with when the caller insists, for older guests that know nothing else.
"""

from __future__ import annotations

import hashlib
import os
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from attestation_protocol import akp
from attestation_protocol.encoding import b64url_decode, b64url_encode, compact_plain, parse_json
from attestation_protocol.errors import EncodingError, JweError
from attestation_protocol.jwk import (
    ECDH_ES_A256KW,
    ML_KEM_768_A192KW,
    RSA1_5,
    RSA_OAEP_256,
    AkpTeeKey,
    EcTeeKey,
    RsaTeeKey,
    TeePublicKey,
)
from attestation_protocol.tee_key import COORDINATE_SIZE, CURVE_NAMES, CURVES, TeeKeyPair

ENC: Final = "A256GCM"
MAX_JWE: Final = 32 * 1024 * 1024
"""Bytes of a JWE that is opened, at the most."""

_KEY_SIZE: Final = 32
_IV_SIZE: Final = 12
_TAG_SIZE: Final = 16
_RSA_BITS: Final = range(2048, 4097)
_MAX_EXPONENT_BITS: Final = 64
_FIRST_ROUND: Final = (1).to_bytes(4, "big")
_OTHER_INFO: Final = (
    len(ECDH_ES_A256KW).to_bytes(4, "big") + ECDH_ES_A256KW.encode() + bytes(8) + (8 * _KEY_SIZE).to_bytes(4, "big")
)
_OAEP: Final = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
_PKCS1: Final = padding.PKCS1v15()
_ECDH: Final = ec.ECDH()
_X962: Final = serialization.Encoding.X962
_UNCOMPRESSED: Final = serialization.PublicFormat.UncompressedPoint
_MEMBERS: Final = ("protected", "encrypted_key", "iv", "ciphertext", "tag")


def encrypt(plaintext: bytes, key: TeePublicKey, *, insecure_rsa1_5: bool = False) -> bytes:
    """Encrypt to a guest's key. `insecure_rsa1_5` takes keys whose `alg` is RSA1_5 as well.

    Raises JweError: JWE-KEY for a key of a kind, curve, size or value that is refused, JWE-UNAVAILABLE.
    """
    random = os.urandom(_KEY_SIZE + _IV_SIZE)
    cek, iv = random[:_KEY_SIZE], random[_KEY_SIZE:]
    if isinstance(key, EcTeeKey):
        header, encrypted_key = _wrap_ec(cek, key)
    elif isinstance(key, RsaTeeKey):
        header, encrypted_key = _wrap_rsa(cek, key, insecure_rsa1_5=insecure_rsa1_5)
    else:
        header, encrypted_key = _wrap_akp(cek, key)
    protected = b64url_encode(compact_plain(header))
    sealed = AESGCM(cek).encrypt(iv, plaintext, protected.encode())
    return compact_plain(
        {
            "protected": protected,
            "encrypted_key": b64url_encode(encrypted_key),
            "iv": b64url_encode(iv),
            "ciphertext": b64url_encode(sealed[:-_TAG_SIZE]),
            "tag": b64url_encode(sealed[-_TAG_SIZE:]),
        }
    )


def decrypt(document: bytes, key: TeeKeyPair) -> bytes:
    """Open a JWE with the guest's key. Raises JweError; which of its steps failed is not told apart."""
    if len(document) > MAX_JWE:
        raise JweError(f"the JWE is larger than {MAX_JWE} bytes", code="JWE-SIZE")
    protected, header, parts = _parse(document)
    encrypted_key, iv, ciphertext, tag = (parts[name] for name in _MEMBERS[1:])
    if header.get("enc") != ENC or len(iv) != _IV_SIZE or len(tag) != _TAG_SIZE or "crit" in header:
        raise JweError(f"the JWE is not one of {ENC}", code="JWE-ALGORITHM")
    cek = _unwrap(header, encrypted_key, key)
    # A key that did not unwrap is replaced by a random one: all failures take the same way.
    usable = cek if cek is not None and len(cek) == _KEY_SIZE else os.urandom(_KEY_SIZE)
    try:
        return AESGCM(usable).decrypt(iv, ciphertext + tag, protected.encode())
    except InvalidTag:
        raise JweError(
            "the JWE does not open with this TEE key",
            code="JWE-OPEN",
            advice="attest again: the broker may have answered for an older key",
        ) from None


def derive_kek(shared_secret: bytes) -> bytes:
    """Concat KDF (RFC 7518 section 4.6.2) for ECDH-ES+A256KW: 32 bytes from the x coordinate of the shared point.

    So many bytes are one round of SHA-256, over its number, the secret and the other info.
    """
    return hashlib.sha256(_FIRST_ROUND + shared_secret + _OTHER_INFO).digest()


def _refused(what: str) -> JweError:
    return JweError(
        f"nothing is encrypted to a TEE key of {what}",
        code="JWE-KEY",
        advice="use RSA-OAEP-256 with 2048 to 4096 bits, ECDH-ES+A256KW on P-256, P-384 or P-521, or ML-KEM-768+A192KW",
    )


def _wrap_ec(cek: bytes, key: EcTeeKey) -> tuple[dict[str, Any], bytes]:
    if key.alg != ECDH_ES_A256KW or key.crv not in CURVES:
        raise _refused(f"`{key.alg:.40}` on `{key.crv:.40}`")
    public = _ec_public(key.crv, key.x, key.y)
    ephemeral = ec.generate_private_key(CURVES[key.crv])
    kek = derive_kek(ephemeral.exchange(_ECDH, public))
    point = ephemeral.public_key().public_bytes(_X962, _UNCOMPRESSED)  # 04, x, y
    y_at = 1 + COORDINATE_SIZE[key.crv]
    epk = {"crv": key.crv, "kty": "EC", "x": b64url_encode(point[1:y_at]), "y": b64url_encode(point[y_at:])}
    return {"alg": ECDH_ES_A256KW, "enc": ENC, "epk": epk}, aes_key_wrap(kek, cek)


def _wrap_akp(cek: bytes, key: AkpTeeKey) -> tuple[dict[str, Any], bytes]:
    if key.alg != ML_KEM_768_A192KW:
        raise _refused(f"`{key.alg:.40}`")
    try:
        public = akp.public_key(key.pub)
    except ValueError:
        raise _refused(f"{ML_KEM_768_A192KW} that is not {akp.PUBLIC_KEY_SIZE} bytes of a key") from None
    ciphertext, encrypted_key = akp.wrap(cek, public)
    return {"alg": ML_KEM_768_A192KW, "enc": ENC, "ek": b64url_encode(ciphertext)}, encrypted_key


def _wrap_rsa(cek: bytes, key: RsaTeeKey, *, insecure_rsa1_5: bool) -> tuple[dict[str, Any], bytes]:
    scheme = _OAEP if key.alg == RSA_OAEP_256 else _PKCS1 if insecure_rsa1_5 and key.alg == RSA1_5 else None
    if scheme is None:
        raise _refused(f"`{key.alg:.40}`")
    try:
        n, e = (int.from_bytes(b64url_decode(text), "big") for text in (key.n, key.e))
    except EncodingError:
        raise _refused("RSA whose numbers are not base64url") from None
    if n.bit_length() not in _RSA_BITS or e.bit_length() > _MAX_EXPONENT_BITS:
        raise _refused(f"RSA with {n.bit_length()} bits")
    try:
        encrypted_key = rsa.RSAPublicNumbers(e, n).public_key().encrypt(cek, scheme)
    except ValueError:
        raise _refused("RSA with numbers that are no key") from None
    return {"alg": key.alg, "enc": ENC}, encrypted_key


def _ec_public(crv: str, x: str, y: str) -> ec.EllipticCurvePublicKey:
    try:
        raw_x, raw_y = b64url_decode(x), b64url_decode(y)
    except EncodingError:
        raise _refused("EC whose coordinates are not base64url") from None
    size = COORDINATE_SIZE[crv]
    if len(raw_x) != size or len(raw_y) != size:
        raise _refused(f"{crv} with coordinates that are not {size} bytes")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(CURVES[crv], b"\x04" + raw_x + raw_y)
    except ValueError:
        raise _refused(f"{crv} whose point is not on the curve") from None


def _parse(document: bytes) -> tuple[str, dict[str, Any], dict[str, bytes]]:
    try:
        message = parse_json(document)
        if not isinstance(message, dict) or any(not isinstance(message.get(name), str) for name in _MEMBERS):
            raise JweError("not a flattened JWE: a member is missing or not a string", code="JWE-FORMAT")
        parts = {name: b64url_decode(message[name]) for name in _MEMBERS}
        header = parse_json(parts["protected"])
    except EncodingError as error:
        raise JweError(f"not a flattened JWE: {error.message}", code="JWE-FORMAT") from None
    if not isinstance(header, dict):
        raise JweError("the protected header of the JWE is not an object", code="JWE-FORMAT")
    return message["protected"], header, parts


def _unwrap(header: dict[str, Any], encrypted_key: bytes, key: TeeKeyPair) -> bytes | None:
    private = key.private_key
    algorithm = header.get("alg")
    if isinstance(private, rsa.RSAPrivateKey) and algorithm == RSA_OAEP_256:
        try:
            return private.decrypt(encrypted_key, _OAEP)
        except ValueError:
            return None
    if isinstance(private, ec.EllipticCurvePrivateKey) and algorithm == ECDH_ES_A256KW:
        crv = CURVE_NAMES[private.curve.name]
        epk = header.get("epk")
        if not isinstance(epk, dict) or epk.get("crv") != crv:
            return None
        try:
            public = _ec_public(crv, str(epk.get("x")), str(epk.get("y")))
            return aes_key_unwrap(derive_kek(private.exchange(_ECDH, public)), encrypted_key)
        except (JweError, InvalidUnwrap, ValueError):
            return None
    if isinstance(private, mlkem.MLKEM768PrivateKey) and algorithm == ML_KEM_768_A192KW:
        return akp.unwrap(encrypted_key, header.get("ek"), private)
    raise JweError(
        f"a JWE of `{algorithm!s:.40}` is not for a {type(key.public_key).__name__}",
        code="JWE-ALGORITHM",
        advice="the broker answered for a key of another kind",
    )
