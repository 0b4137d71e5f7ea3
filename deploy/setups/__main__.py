"""Sets a broker up in a folder: its configuration, and the keys that it needs.

    background-check    attests guests, and gives them resources
    passport-issuer     attests guests, and gives them tokens that a certificate covers
    passport-resource   gives resources for the tokens of the issuer in the folder beside

The folder is made with mode 0700 and holds `kbs.toml`, the administrator's key pair (`key`, `key.pub`), a token of the
administrator for a day (`admin-token`) and the store. Keys that exist are kept. An issuer has `token-key`, the
certificate authority `ca.key` and `ca.pem`, which signs this once, and `chain.pem`.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attestack import admin_tokens
from attestack.trustee_home import Home
from attestack_common.errors import AttestackError, ConfigError
from attestack_common.files import write_private
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from collections.abc import Sequence

ISSUER: Final = "passport-issuer"
PORTS: Final = {"background-check": 8080, ISSUER: 8080, "passport-resource": 8090}
LIFETIME: Final = timedelta(days=365)

_PEM: Final = serialization.Encoding.PEM
_COMMON: Final = """[http_server]
sockets = ["127.0.0.1:{port}"]
insecure_http = true

[admin]
authorization_mode = "AuthenticatedAuthorization"
[[admin.authentication.bearer_jwt.identity_providers]]
issuer = "{issuer}"
audience = "{audience}"
public_key_uri = "{folder}/key.pub"
[[admin.authorization.regex_acl.acls]]
role = "{role}"
allowed_endpoints = "^/kbs/.*$"

[storage_backend]
storage_type = "LocalFs"
[storage_backend.backends.local_fs]
dir_path = "{folder}/store"
"""
_SERVICE: Final = """
[attestation_service]
type = "coco_as_builtin"
"""
_SIGNER: Final = """
[attestation_service.attestation_token_broker.signer]
key_path = "{folder}/token-key"
cert_path = "{folder}/chain.pem"
"""
_RESOURCES: Final = """
[[plugins]]
name = "resource"
storage_backend_type = "kvstorage"
"""
_TRUST: Final = """
[attestation_token]
trusted_certs_paths = ["{authority}"]
"""


def set_up(kind: str, folder: Path, port: int) -> Path:
    """Write keys and configuration; return the configuration's path. Raises ConfigError."""
    home = Home.open(folder)
    home.write_admin_token(datetime.now(UTC))
    path = home.path
    admin = {"issuer": admin_tokens.ISSUER, "audience": admin_tokens.AUDIENCE, "role": admin_tokens.ROLE}
    text = _COMMON.format(port=port, folder=path, **admin)
    if kind == ISSUER:
        certify(home)
        text += _SERVICE + _SIGNER.format(folder=path)
    elif kind == "background-check":
        text += _SERVICE + _RESOURCES
    else:
        authority = path.parent / ISSUER / "ca.pem"
        if not authority.exists():
            raise ConfigError(
                f"{authority} is not there: nobody's tokens can be trusted",
                code="SETUP-ISSUER",
                advice="make passport-issuer-kbs first, or put the PEM certificates of your issuer there",
            )
        text += _TRUST.format(authority=authority) + _RESOURCES
    config = path / "kbs.toml"
    write_private(config, text.encode())
    return config


def certify(home: Home) -> None:
    """Certify the key that signs tokens by an authority of its own, unless that has been done."""
    chain = home.path / "chain.pem"
    token_key = home.token_key_path()
    if chain.exists():
        return
    key = serialization.load_pem_private_key(token_key.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)  # noqa: S101  # `Home` makes no other
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _certificate("token authority", authority_key, authority_key, is_authority=True)
    signer = _certificate("token signer", key, authority_key, is_authority=False)
    pkcs8 = serialization.PrivateFormat.PKCS8
    write_private(home.path / "ca.key", authority_key.private_bytes(_PEM, pkcs8, serialization.NoEncryption()))
    write_private(home.path / "ca.pem", authority)
    write_private(chain, signer + authority)


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, signed_by: ec.EllipticCurvePrivateKey, *, is_authority: bool
) -> bytes:
    now = datetime.now(UTC)
    subject, issuer = (x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, n)]) for n in (name, "token authority"))
    builder = x509.CertificateBuilder(
        issuer, subject, key.public_key(), x509.random_serial_number(), now - timedelta(minutes=5), now + LIFETIME
    )
    builder = builder.add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    return builder.sign(signed_by, hashes.SHA256()).public_bytes(_PEM)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser("setups", description="Sets a broker up in a folder.")
    parser.add_argument("kind", choices=PORTS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, help="default: 8080, and 8090 for passport-resource")
    chosen = parser.parse_args(argv)
    try:
        config = set_up(chosen.kind, chosen.folder, chosen.port or PORTS[chosen.kind])
    except AttestackError as error:
        sys.stderr.write(f"{error.diagnostics()}\n")
        return 1
    sys.stdout.write(f"{config}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
