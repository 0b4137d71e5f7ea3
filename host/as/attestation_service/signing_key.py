"""What the signers of both token types read alike: a private key, its certificate chain, and how a JWK names it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attestack_common.errors import ConfigError
from attestation_protocol.encoding import b64std_encode
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes


def private_key(pem: bytes, *, advice: str) -> PrivateKeyTypes:
    """Read a private key, of any kind. Raises ConfigError (AS-SIGNING-KEY) with the advice."""
    try:
        return serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError(
            "the token signing key is not a private key in PEM", code="AS-SIGNING-KEY", advice=advice
        ) from None


def certificate_chain(pem: bytes, key: object) -> tuple[x509.Certificate, ...]:
    """Read the chain of the certificate of a public key, leaf first. Raises ConfigError."""
    try:
        chain = tuple(x509.load_pem_x509_certificates(pem))
        leaf = chain[0].public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigError("the token certificate is not a chain of PEM certificates", code="AS-CERTIFICATE") from None
    if leaf != key:
        raise ConfigError(
            "the first token certificate is for another key than the token signing key",
            code="AS-CERTIFICATE",
            advice="put the certificate of the signing key first, then those that issued it",
        )
    return chain


def certificate_members(certificates: Sequence[x509.Certificate], url: str | None) -> dict[str, Any]:
    """Return the members of a JWK that lead to the certificate of its key (RFC 7517 sections 4.6 and 4.7)."""
    members: dict[str, Any] = {}
    if url is not None:
        members["x5u"] = url
    if certificates:
        der = serialization.Encoding.DER
        members["x5c"] = [b64std_encode(certificate.public_bytes(der)) for certificate in certificates]
    return members
