"""Whether the key in a token's header is endorsed: `x5c` leads to a configured certificate (RFC 5280, in part).

    - the leaf is the first certificate of `x5c`; the others are intermediates, in any order, and some may be of no use
    - the chain ends at a self-signed certificate that is configured. One that is configured and not self-signed helps
      on the way, as an intermediate, and is no end
    - each issuer is a CA: basicConstraints says so, its path length is kept, keyUsage (if there) allows to sign
    - every certificate, the last one too, is within its dates
    - a critical extension that is not looked at here refuses the certificate
    - SHA-1, MD5 and RSA keys below 2048 bits sign nothing

There is no look at revocation, names or extended key usage: upstream has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from attestation_protocol.encoding import b64std_decode, b64url_decode
from attestation_protocol.errors import EncodingError
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import MD5, SHA1

from trustee_core.token_trust.errors import TokenRefusedError
from trustee_core.token_trust.keys import RSA_BITS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

MAX_X5C: Final = 16
"""Certificates in `x5c` at the most."""
MAX_DEPTH: Final = 8
"""Certificates of a chain, the leaf and the last one included, at the most."""
MAX_CHECKS: Final = 64
"""Signatures of certificates that are checked for one token at the most."""
MAX_CERTIFICATE: Final = 16 * 1024
"""Bytes of a certificate at the most."""

UNREADABLE: Final = (
    *(ValueError, TypeError, UnsupportedAlgorithm),
    *(x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType),
)
"""What the library raises for a certificate that it cannot read, at once or when a part is looked at."""

_CRITICAL: Final = frozenset(
    {x509.BasicConstraints.oid, x509.KeyUsage.oid, x509.ExtendedKeyUsage.oid, x509.SubjectAlternativeName.oid}
)


@dataclass(frozen=True, slots=True)
class Endorsed:
    """A chain that holds, and between which moments it does."""

    leaf: x509.Certificate
    not_before: datetime
    not_after: datetime


def decode_x5c(entries: object) -> list[x509.Certificate]:
    """Read `x5c`: texts of base64 DER, line breaks in them ignored. Raises TokenRefusedError (TOKEN-CHAIN)."""
    if not isinstance(entries, list) or not entries or len(entries) > MAX_X5C:
        raise _refused(f"`x5c` of the token's key is an array of 1 to {MAX_X5C} certificates")
    return [_certificate(entry) for entry in entries]


def require_endorsed(chain: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate], now: datetime) -> Endorsed:
    """Find a way from the first certificate to an anchor. Pure. Raises TokenRefusedError (TOKEN-CHAIN)."""
    leaf, *intermediates = chain
    path = _Search(anchors, intermediates, now).path(leaf)
    return Endorsed(
        leaf,
        max(certificate.not_valid_before_utc for certificate in path),
        min(certificate.not_valid_after_utc for certificate in path),
    )


class _Search:
    """A search for a path, depth first, anchors before intermediates, within `MAX_CHECKS`."""

    def __init__(
        self, anchors: Sequence[x509.Certificate], intermediates: Sequence[x509.Certificate], now: datetime
    ) -> None:
        self._anchors = frozenset(anchors)
        self._issuers = tuple(dict.fromkeys((*anchors, *intermediates)))
        self._now = now
        self._checks = 0

    def path(self, leaf: x509.Certificate) -> tuple[x509.Certificate, ...]:
        """Return the certificates from the leaf to the anchor."""
        if not self._is_sound(leaf):
            raise _refused("the token's certificate is outside its dates, or has an extension that is not known here")
        found = self._extend((leaf,))
        if found is None:
            raise _refused("the token's certificate does not lead to a configured root")
        return found

    def _extend(self, path: tuple[x509.Certificate, ...]) -> tuple[x509.Certificate, ...] | None:
        last = path[-1]
        if last in self._anchors and self._has_signed(last, last):
            return path
        if len(path) == MAX_DEPTH:
            return None
        for issuer in self._issuers_of(path):
            found = self._extend((*path, issuer))
            if found is not None:
                return found
        return None

    def _issuers_of(self, path: tuple[x509.Certificate, ...]) -> Iterator[x509.Certificate]:
        last = path[-1]
        for issuer in self._issuers:
            fits = issuer.subject == last.issuer and issuer not in path
            if fits and self._is_sound(issuer) and _may_issue(issuer, path) and self._has_signed(issuer, last):
                yield issuer

    def _is_sound(self, certificate: x509.Certificate) -> bool:
        within = certificate.not_valid_before_utc <= self._now <= certificate.not_valid_after_utc
        return within and all(each.oid in _CRITICAL for each in _extensions(certificate) if each.critical)

    def _has_signed(self, issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
        self._checks += 1
        if self._checks > MAX_CHECKS:
            raise _refused("there are too many ways between the token's certificates")
        try:
            if isinstance(certificate.signature_hash_algorithm, MD5 | SHA1) or _is_short(issuer.public_key()):
                return False
            certificate.verify_directly_issued_by(issuer)
        except (InvalidSignature, *UNREADABLE):
            return False
        return True


def require_readable(certificate: x509.Certificate) -> None:
    """Read the parts that are read late. Raises one of UNREADABLE."""
    certificate.public_key()
    _ = certificate.subject, certificate.issuer, certificate.not_valid_before_utc, certificate.not_valid_after_utc


def _is_short(key: object) -> bool:
    return isinstance(key, rsa.RSAPublicKey) and key.key_size not in RSA_BITS


def _may_issue(issuer: x509.Certificate, path: tuple[x509.Certificate, ...]) -> bool:
    """Whether a certificate may stand above a path: a CA whose path length holds what is between it and the leaf."""
    extensions = {each.oid: each.value for each in _extensions(issuer)}
    basic, usage = extensions.get(x509.BasicConstraints.oid), extensions.get(x509.KeyUsage.oid)
    if not isinstance(basic, x509.BasicConstraints) or not basic.ca:
        return False
    if isinstance(usage, x509.KeyUsage) and not usage.key_cert_sign:
        return False
    between = sum(certificate.subject != certificate.issuer for certificate in path[1:])
    return basic.path_length is None or between <= basic.path_length


def _extensions(certificate: x509.Certificate) -> x509.Extensions:
    try:
        return certificate.extensions
    except UNREADABLE:
        raise _refused("an extension of the token's certificates cannot be read") from None


def _certificate(entry: object) -> x509.Certificate:
    text = "".join(entry.split()) if isinstance(entry, str) else ""
    try:
        der = b64std_decode(text)
    except EncodingError:
        try:
            der = b64url_decode(text)
        except EncodingError:
            der = b""
    try:
        certificate = x509.load_der_x509_certificate(der if len(der) <= MAX_CERTIFICATE else b"")
        require_readable(certificate)
    except UNREADABLE:
        raise _refused("an entry of `x5c` of the token's key is not a certificate") from None
    return certificate


def _refused(message: str) -> TokenRefusedError:
    return TokenRefusedError(
        message,
        code="TOKEN-CHAIN",
        advice="the operator lists the issuer's root in attestation_token.trusted_certs_paths",
    )
