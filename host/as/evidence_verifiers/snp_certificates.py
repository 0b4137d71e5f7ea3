"""AMD's certificates for SEV-SNP: the roots that are trusted, and what a VCEK or VLEK says of its chip (AMD 57230).

    ARK-<line>                          root, signs itself; trusted by the SHA-256 of its DER
    ├── SEV-<line>        (ASK)         signs VCEKs
    │   └── SEV-VCEK                    key of one chip at one TCB version
    └── SEV-VLEK-<line>   (ASVK)        signs VLEKs
        └── SEV-VLEK                    key that AMD loaded for a cloud provider, at one TCB version

ARK, ASK and ASVK of each product line ship with this package. They are RSA keys and sign with RSASSA-PSS: SHA-384, MGF1
with SHA-384, 48 bytes of salt. VCEK and VLEK are keys on P-384; chapter 3 gives their extensions:

    1.3.6.1.4.1.3704.1.2          product name, IA5String: the line, or the line and a stepping (`Milan-B0`)
    1.3.6.1.4.1.3704.1.3.N        security patch level, INTEGER: 1 bootloader, 2 tee, 3 snp, 8 microcode, 9 fmc (Turin)
    1.3.6.1.4.1.3704.1.3.4 … .7   reserved, zero
    1.3.6.1.4.1.3704.1.4          hardware id, VCEK only: 64 bytes, on Turin 8; bare, or as OCTET STRING
    1.3.6.1.4.1.3704.1.5          cloud provider, IA5String, VLEK only

Values are DER and nothing but DER. Signatures are checked with the algorithms above, whatever a certificate says of its
own; it says so twice, once outside of what is signed, and both have to agree (RFC 5280 section 4.1.1.2).
"""

from __future__ import annotations

import ssl
import threading
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Final, Self

from attestation_protocol.errors import EvidenceFormatError
from attestation_protocol.evidence.snp import Product, SigningKey, Tcb
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP384R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

_AMD: Final = "1.3.6.1.4.1.3704.1."
_PRODUCT_NAME: Final = _AMD + "2"
_LEVEL: Final = _AMD + "3."
_HARDWARE_ID: Final = _AMD + "4"
_CLOUD_PROVIDER: Final = _AMD + "5"
_LEVELS: Final = {"bootloader": "1", "tee": "2", "snp": "3", "microcode": "8"}
_FMC: Final = "9"
_RESERVED_LEVELS: Final = ("4", "5", "6", "7")
_INTEGER, _OCTET_STRING, _IA5_STRING = 0x02, 0x04, 0x16
_LONGEST_NAME: Final = 64
"""Characters of a common name at the most (X.520, ub-common-name)."""
_KINDS: Final = {"SEV-VCEK": SigningKey.VCEK, "SEV-VLEK": SigningKey.VLEK}

_SHA384: Final = hashes.SHA384()
_PSS: Final = PSS(MGF1(_SHA384), 48)


def intermediate_name(product: Product, signer: SigningKey) -> str:
    """Return the common name of the authority for keys of this kind."""
    return f"SEV-VLEK-{product}" if signer is SigningKey.VLEK else f"SEV-{product}"


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is looked at in an X.509 certificate. Nothing in it is authentic until its issuer's key says so."""

    name: str
    """The common name of the subject."""
    not_before: datetime
    not_after: datetime
    """UTC both, and both included."""
    key: object
    extensions: x509.Extensions = field(repr=False)
    issuer: bytes = field(repr=False)
    subject: bytes = field(repr=False)
    """Names, DER both."""
    signed: bytes = field(repr=False)
    """The part that the signature covers."""
    signature: bytes = field(repr=False)
    der: bytes = field(repr=False)

    @classmethod
    def parse(cls, der: bytes) -> Self:
        """Read a certificate. Raises EvidenceFormatError."""
        try:
            with _without_warnings():
                certificate = x509.load_der_x509_certificate(der)
                issuer, subject = _names(der)
                return cls(
                    name=_common_name(certificate.subject),
                    not_before=certificate.not_valid_before_utc,
                    not_after=certificate.not_valid_after_utc,
                    key=certificate.public_key(),
                    extensions=certificate.extensions,
                    issuer=issuer,
                    subject=subject,
                    signed=certificate.tbs_certificate_bytes,
                    signature=certificate.signature,
                    der=der,
                )
        except EvidenceFormatError:
            raise
        except _NOT_A_CERTIFICATE as error:
            raise _malformed(f"not an X.509 certificate: {error!s:.80}") from None


@dataclass(frozen=True, slots=True)
class Authority:
    """An ARK, ASK or ASVK: an RSA key that signs certificates."""

    certificate: Certificate
    key: RSAPublicKey

    @classmethod
    def parse(cls, der: bytes) -> Self:
        """Read a certificate. Raises EvidenceFormatError."""
        certificate = Certificate.parse(der)
        try:
            constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        except x509.ExtensionNotFound:
            raise _malformed("it is not for an authority") from None
        if not constraints.ca or not isinstance(certificate.key, RSAPublicKey):
            raise _malformed("it is not for an authority with an RSA key")
        return cls(certificate, certificate.key)

    def issued(self, other: Certificate) -> bool:
        """Whether the other certificate names this one as its issuer, and is signed with its key."""
        if other.issuer != self.certificate.subject:
            return False
        try:
            self.key.verify(other.signature, other.signed, _PSS, _SHA384)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Anchors:
    """What is trusted for a product line, and what AMD issued below it."""

    ark_sha256: str
    """SHA-256 of the root certificate's DER, hex. Trust is this and nothing else."""
    ark: Authority
    ask: Authority
    asvk: Authority

    @classmethod
    def parse(cls, ark_sha256: str, *, ark: bytes, ask: bytes, asvk: bytes) -> Self:
        """Read the three certificates, DER each. Raises EvidenceFormatError."""
        return cls(ark_sha256, *(Authority.parse(der) for der in (ark, ask, asvk)))

    def intermediate(self, signer: SigningKey) -> Authority:
        """Return the authority for keys of this kind."""
        return self.asvk if signer is SigningKey.VLEK else self.ask


@dataclass(frozen=True, slots=True)
class EndorsementKey:
    """A VCEK or VLEK: the key that signs reports, and what its certificate says of chip and firmware."""

    certificate: Certificate
    key: EllipticCurvePublicKey
    kind: SigningKey
    """By its common name."""
    product: Product
    tcb: Tcb
    hardware_id: bytes | None
    """The chip, as it stands in CHIP_ID: 64 bytes, on Turin 8. A VLEK has none."""
    cloud_provider: str | None
    """For whom AMD loaded the key. A VCEK has none."""

    @classmethod
    def parse(cls, der: bytes) -> Self:
        """Read a certificate. Raises EvidenceFormatError."""
        certificate = Certificate.parse(der)
        key, kind = certificate.key, _KINDS.get(certificate.name)
        if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP384R1):
            raise _malformed("its key is not on P-384")
        if kind is None:
            raise _malformed(f"its common name {certificate.name!r:.40} is neither SEV-VCEK nor SEV-VLEK")
        values = _extension_values(certificate)
        product = _product(values)
        hardware_id, provider = values.get(_HARDWARE_ID), values.get(_CLOUD_PROVIDER)
        if (hardware_id is None, provider is None) != (kind is SigningKey.VLEK, kind is SigningKey.VCEK):
            raise _malformed("a VCEK has a hardware id and no cloud provider, a VLEK the reverse")
        return cls(
            certificate=certificate,
            key=key,
            kind=kind,
            product=product,
            tcb=_tcb(values, product),
            hardware_id=None if hardware_id is None else _hardware_id(hardware_id, product.chip_id_size),
            cloud_provider=None if provider is None else _text(provider),
        )

    def signed(self, data: bytes, signature: tuple[int, int]) -> bool:
        """Whether ECDSA r and s are this key's signature of the data, with SHA-384."""
        try:
            self.key.verify(encode_dss_signature(*signature), data, ECDSA(_SHA384))
        except InvalidSignature:
            return False
        return True


_NOT_A_CERTIFICATE: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What the library raises on bytes that are none."""
_FILTERS: Final = threading.Lock()


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Keep the library from warning: of the serial number 0, which AMD gives to VCEKs and VLEKs, and of odd names."""
    with _FILTERS, warnings.catch_warnings():  # filters are the process's: one thread at a time
        warnings.simplefilter("ignore")
        yield


def _names(der: bytes) -> tuple[bytes, bytes]:
    """Return issuer and subject of a certificate that was read, DER both. Raises EvidenceFormatError.

    On the way its two signature algorithms are compared, that within and that outside of what is signed.
    """
    to_be_signed = _content(der, 0)[0]
    at, end = _content(der, to_be_signed)
    values = []
    for _ in ("version", "serialNumber", "signature", "issuer", "validity", "subject"):
        start, at = at, _content(der, at)[1]
        values.append(der[start:at])
    _, _, algorithm, issuer, _, subject = values
    if algorithm != der[end : _content(der, end)[1]]:
        raise _malformed("its signature algorithm differs within and without")
    return issuer, subject


def _content(der: bytes, at: int) -> tuple[int, int]:
    """Return where the content of the DER value at this place starts and ends."""
    size, start = der[at + 1], at + 2
    if size > 0x7F:  # noqa: PLR2004  # X.690 8.1.3.5: so many bytes of length follow
        start += size & 0x7F
        size = int.from_bytes(der[at + 2 : start], "big")
    return start, start + size


def _common_name(name: x509.Name) -> str:
    values = [str(attribute.value) for attribute in name.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if len(values) != 1 or len(values[0]) > _LONGEST_NAME or not values[0].isprintable():
        raise _malformed("its subject has no common name that can be printed, or several")
    return values[0]


def _extension_values(certificate: Certificate) -> dict[str, bytes]:
    """Return the extensions by OID. Their values are for the caller to read."""
    values = {}
    for extension in certificate.extensions:
        if extension.critical:
            raise _malformed(f"it has the critical extension {extension.oid.dotted_string}, which is not known")
        if isinstance(extension.value, x509.UnrecognizedExtension):
            values[extension.oid.dotted_string] = extension.value.value
    return values


def _product(extensions: Mapping[str, bytes]) -> Product:
    text = _text(extensions.get(_PRODUCT_NAME, b""))
    line, _, _ = text.partition("-")
    try:
        return Product(line)
    except ValueError:
        raise _malformed(f"its product name {text!r:.40} is of no known line") from None


def _tcb(extensions: Mapping[str, bytes], product: Product) -> Tcb:
    levels = {name: _level(extensions, number) for name, number in _LEVELS.items()}
    if any(_level(extensions, number) for number in _RESERVED_LEVELS if _LEVEL + number in extensions):
        raise _malformed("a reserved security patch level is not zero")
    if (_LEVEL + _FMC in extensions) is not (product is Product.TURIN):
        raise _malformed(f"a certificate for {product} has {'no' if product is Product.TURIN else 'a'} level for fmc")
    return Tcb(**levels, fmc=_level(extensions, _FMC) if product is Product.TURIN else None)


def _level(extensions: Mapping[str, bytes], number: str) -> int:
    """Read a security patch level: INTEGER 0 to 255, which takes two bytes from 128 on."""
    content = _der(_INTEGER, extensions.get(_LEVEL + number, b""))
    level = int.from_bytes(content, "big", signed=True)
    if not 0 <= level <= 0xFF or len(content) != (1 if level < 0x80 else 2):  # noqa: PLR2004  # DER is minimal
        raise _malformed(f"security patch level {number} is not an INTEGER from 0 to 255")
    return level


def _hardware_id(value: bytes, size: int) -> bytes:
    """Read a hardware id: bare, as the first certificates have it, or in an OCTET STRING."""
    content = value if len(value) == size else _der(_OCTET_STRING, value)
    if len(content) != size:
        raise _malformed(f"its hardware id has {len(content)} bytes, not {size}")
    return content


def _text(value: bytes) -> str:
    content = _der(_IA5_STRING, value)
    if not content.isascii() or not content.decode("ascii").isprintable():
        raise _malformed("one of its texts is not printable")
    return content.decode("ascii")


def _der(tag: int, value: bytes) -> bytes:
    """Return the content of one DER value that fills `value`; AMD's all have a length of one byte."""
    if len(value) < 2 or value[0] != tag or value[1] != len(value) - 2 or value[1] > 0x7F:  # noqa: PLR2004  # X.690 8.1.3.4
        raise _malformed(f"an extension is not DER of tag {tag:#04x}")
    return value[2:]


def _malformed(what: str) -> EvidenceFormatError:
    return EvidenceFormatError(what, code="SNP-CERTIFICATE")


def _shipped(product: Product, ark_sha256: str) -> Anchors:
    folder = resources.files("evidence_verifiers") / "amd"
    files = (folder / f"{kind}-{product.lower()}.pem" for kind in ("ark", "ask", "asvk"))
    ark, ask, asvk = (ssl.PEM_cert_to_DER_cert(file.read_text("ascii")) for file in files)
    return Anchors.parse(ark_sha256, ark=ark, ask=ask, asvk=asvk)


PINNED: Final = {
    Product.MILAN: _shipped(Product.MILAN, "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd"),
    Product.GENOA: _shipped(Product.GENOA, "4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1"),
    Product.TURIN: _shipped(Product.TURIN, "1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a"),
}
"""AMD's three roots, as `https://kdsintf.amd.com/vcek/v1/<line>/cert_chain` has them, and what ships below them."""
