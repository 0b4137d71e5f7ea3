"""Certificates and keys for tests with processes: an authority in a folder, what it certifies, and JWK sets."""

from __future__ import annotations

import base64
import ipaddress
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from pathlib import Path

PEM: Final = serialization.Encoding.PEM


@dataclass(frozen=True)
class Certified:
    """A key with its certificate and the one that endorses it."""

    key: ec.EllipticCurvePrivateKey
    key_path: Path
    chain_path: Path
    """The certificate, then the authority's."""


class Authority:
    """A certificate authority that keeps its files in a folder."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = self._sign(self._name, self._key.public_key(), is_authority=True)
        self.path = folder / f"{name}.pem"
        self.path.write_bytes(self._certificate.public_bytes(PEM))

    def certify(self, name: str, *, loopback: bool = False) -> Certified:
        """Make a key, and certify it; `loopback` puts 127.0.0.1 into the certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        certificate = self._sign(subject, key.public_key(), loopback=loopback)
        key_path, chain_path = self._folder / f"{name}.key", self._folder / f"{name}.pem"
        private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        key_path.touch(0o600)
        key_path.write_bytes(private)
        chain_path.write_bytes(certificate.public_bytes(PEM) + self._certificate.public_bytes(PEM))
        return Certified(key, key_path, chain_path)

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, is_authority: bool = False, loopback: bool = False
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(
            self._name, subject, key, x509.random_serial_number(), now - timedelta(hours=1), now + timedelta(days=1)
        ).add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        if loopback:
            names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256())


def jwk_set(*keys: tuple[ec.EllipticCurvePrivateKey, str | None]) -> bytes:
    """Return the JWK set of P-256 keys, each with its `kid` or none."""
    return json.dumps({"keys": [_jwk(key, kid) for key, kid in keys]}).encode()


def _jwk(key: ec.EllipticCurvePrivateKey, kid: str | None) -> dict[str, Any]:
    numbers = key.public_key().public_numbers()
    x, y = (base64.urlsafe_b64encode(i.to_bytes(32, "big")).rstrip(b"=").decode() for i in (numbers.x, numbers.y))
    named = {} if kid is None else {"kid": kid}
    return {"kty": "EC", "crv": "P-256", "alg": "ES256", "x": x, "y": y, **named}
