"""Makes tokens, keys and certificates by hand: nothing here is shared with what checks them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | Ed25519PrivateKey

NOW: Final = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SECONDS: Final = int(NOW.timestamp())
HASHES: Final = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
CURVES: Final = {"P-256": (ec.SECP256R1(), 32), "P-384": (ec.SECP384R1(), 48), "P-521": (ec.SECP521R1(), 66)}

RSA_KEY: Final = rsa.generate_private_key(65537, 2048)
OTHER_RSA_KEY: Final = rsa.generate_private_key(65537, 2048)
EC_KEY: Final = ec.derive_private_key(7, ec.SECP256R1())
OTHER_EC_KEY: Final = ec.derive_private_key(8, ec.SECP256R1())
P384_KEY: Final = ec.derive_private_key(9, ec.SECP384R1())
ED_KEY: Final = Ed25519PrivateKey.from_private_bytes(b"\1" * 32)
OTHER_ED_KEY: Final = Ed25519PrivateKey.from_private_bytes(b"\2" * 32)


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int, size: int | None = None) -> str:
    return b64url(value.to_bytes(size or (value.bit_length() + 7) // 8))


def jwk(key: PrivateKey, alg: str | None, **members: Any) -> dict[str, Any]:
    """The public JWK of a key."""
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        made: dict[str, Any] = {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
    elif isinstance(public, ec.EllipticCurvePublicKey):
        crv = next(name for name, (curve, _) in CURVES.items() if curve.name == public.curve.name)
        size, point = CURVES[crv][1], public.public_numbers()
        made = {"kty": "EC", "crv": crv, "x": number(point.x, size), "y": number(point.y, size)}
    else:
        made = {"kty": "OKP", "crv": "Ed25519", "x": b64url(public.public_bytes_raw())}
    return made | ({"alg": alg} if alg else {}) | members


def signature(key: PrivateKey | bytes, alg: str, data: bytes) -> bytes:
    """A JWS signature over the data; bytes are a key for HS256."""
    if isinstance(key, bytes):
        return hmac.new(key, data, hashlib.sha256).digest()
    if isinstance(key, Ed25519PrivateKey):
        return key.sign(data)
    digest = HASHES[alg[2:]]
    if isinstance(key, rsa.RSAPrivateKey):
        pss = padding.PSS(padding.MGF1(digest), digest.digest_size)
        return key.sign(data, pss if alg.startswith("PS") else padding.PKCS1v15(), digest)
    size = (key.curve.key_size + 7) // 8
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(digest)))
    return r.to_bytes(size) + s.to_bytes(size)


def jws(header: Any, claims: Any, key: PrivateKey | bytes, alg: str | None = None) -> str:
    """A compact JWS. `header` and `claims` are JSON values, or the very bytes."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims)]
    signed = ".".join(b64url(part) for part in parts)
    return f"{signed}.{b64url(signature(key, alg or header['alg'], signed.encode()))}"


def claims(**members: Any) -> dict[str, Any]:
    """Claims that hold at `NOW`. A member that is `...` is left out."""
    made = {"iss": "issuer", "iat": SECONDS - 10, "exp": SECONDS + 300, **members}
    return {name: value for name, value in made.items() if value is not ...}


def public_pem(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


@dataclass(frozen=True)
class Authority:
    """A name, a key, and its certificate."""

    name: str
    key: PrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def x5c(self) -> str:
        return base64.b64encode(self.certificate.public_bytes(serialization.Encoding.DER)).decode()


def authority(
    name: str,
    key: PrivateKey,
    issuer: Authority | None = None,
    *,
    ca: bool | None = True,
    path_length: int | None = None,
    key_cert_sign: bool | None = None,
    not_before: datetime = NOW - timedelta(days=1),
    not_after: datetime = NOW + timedelta(days=1),
    digest: hashes.HashAlgorithm | None = None,
    extension: x509.ExtensionType | None = None,
    issuer_name: str | None = None,
) -> Authority:
    """Certify a key; without an issuer, by itself. `ca` None leaves basicConstraints out."""
    signer = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer_name or (issuer.name if issuer else name)))
        .public_key(key.public_key())
        .serial_number(1000 + abs(hash((name, ca, path_length))) % 10**6)
        .not_valid_before(not_before)
        .not_valid_after(not_after)
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, path_length), critical=True)
    if key_cert_sign is not None:
        usage = x509.KeyUsage(True, False, False, False, False, key_cert_sign, False, False, False)  # noqa: FBT003
        builder = builder.add_extension(usage, critical=True)
    if extension is not None:
        builder = builder.add_extension(extension, critical=True)
    algorithm = None if isinstance(signer, Ed25519PrivateKey) else digest or hashes.SHA256()
    return Authority(name, key, builder.sign(signer, algorithm))  # type: ignore[arg-type]  # SHA-1 is for tests


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
