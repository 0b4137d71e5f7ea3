"""An AMD of our own: roots, intermediates, VCEKs and VLEKs like the real ones, under keys that nobody trusts.

Certificates are written by hand with `tee_lab.der`, and share no code with any parser of them: one mistake cannot hide
in both. The defaults are honest. Every field can be given, so that every lie can be told.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tee_lab import der

Line = Literal["Milan", "Genoa", "Turin"]
"""A product line."""
HardwareIdForm = Literal["bare", "wrapped"]
"""How certificates write the chip's id: the bytes themselves, or an OCTET STRING of them."""
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

NOT_BEFORE: Final = datetime(2025, 1, 1, tzinfo=UTC)
NOT_AFTER: Final = datetime(2032, 1, 1, tzinfo=UTC)
AMD_OID: Final = "1.3.6.1.4.1.3704.1"
_RSA_BITS: Final = 2048
_SHA384: Final = der.sequence(der.object_identifier("2.16.840.1.101.3.4.2.2"), bytes.fromhex("0500"))
_PSS_SHA384: Final = der.sequence(
    der.object_identifier("1.2.840.113549.1.1.10"),
    der.sequence(
        der.explicit(0, _SHA384),
        der.explicit(1, der.sequence(der.object_identifier("1.2.840.113549.1.1.8"), _SHA384)),
        der.explicit(2, der.integer(48)),
    ),
)


@dataclass(frozen=True, slots=True)
class Levels:
    """Security patch levels of the firmware's parts, 0 to 255 each."""

    bootloader: int = 4
    tee: int = 1
    snp: int = 22
    microcode: int = 213
    """At or above 128 by default: its INTEGER takes two bytes."""
    fmc: int = 2
    """On Turin only."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """An authority: its common name, its key, its certificate."""

    name: str
    key: rsa.RSAPrivateKey
    certificate: bytes


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """The authorities of a product line, of one AMD among several."""

    line: Line
    which: str
    ark: Issuer
    ask: Issuer
    asvk: Issuer


def hierarchy(line: Line, which: str = "trusted") -> Hierarchy:
    """Return the authorities of a line: the same ones for the same arguments, so that few keys are made."""
    return _hierarchy(line, which)


@functools.cache
def _hierarchy(line: Line, which: str) -> Hierarchy:
    ark = _authority(f"ARK-{line}", None)
    return Hierarchy(line, which, ark, _authority(f"SEV-{line}", ark), _authority(f"SEV-VLEK-{line}", ark))


def _authority(name: str, parent: Issuer | None) -> Issuer:
    key = rsa.generate_private_key(65537, _RSA_BITS)
    return Issuer(name, key, authority_certificate(name, key, parent))


def authority_certificate(
    name: str,
    key: rsa.RSAPrivateKey,
    parent: Issuer | None,
    *,
    authority: bool = True,
    not_before: datetime = NOT_BEFORE,
    not_after: datetime = NOT_AFTER,
) -> bytes:
    """Make the certificate of an authority, signed by its parent, or by itself."""
    constraints = extension("2.5.29.19", der.sequence(der.BOOLEAN_TRUE if authority else b""), critical=True)
    return certificate(
        subject=name,
        issuer=parent.name if parent else name,
        public_key=key.public_key(),
        signer=parent.key if parent else key,
        serial=65536,
        extensions=(constraints,),
        not_before=not_before,
        not_after=not_after,
    )


@dataclass(frozen=True, slots=True)
class Endorsement:
    """What a VCEK or VLEK says, and how. Made whole by `vcek` and `vlek`; change fields with `dataclasses.replace`."""

    common_name: str
    issuer: Issuer
    product_name: str
    levels: Levels
    fmc: bool
    """Whether it has a level for fmc."""
    hardware_id: bytes | None = None
    hardware_id_form: HardwareIdForm = "bare"
    cloud_provider: str | None = None
    reserved_levels: int = 0
    more_extensions: tuple[bytes, ...] = ()
    left_out: frozenset[str] = frozenset()
    """Arcs below AMD's OID of extensions to leave out, such as `3.1`."""
    not_before: datetime = NOT_BEFORE
    not_after: datetime = NOT_AFTER
    serial: int = 0
    """AMD's have 0, which X.509 does not allow."""

    def issue(self, key: PublicKey) -> bytes:
        """Make the certificate of this key."""
        levels = self.levels
        values = {
            "1": der.integer(1 if self.fmc else 0),
            "2": der.ia5_string(self.product_name),
            "3.1": der.integer(levels.bootloader),
            "3.2": der.integer(levels.tee),
            **{f"3.{number}": der.integer(self.reserved_levels) for number in range(4, 8)},
            "3.3": der.integer(levels.snp),
            "3.8": der.integer(levels.microcode),
        }
        if self.fmc:
            values["3.9"] = der.integer(levels.fmc)
        if self.hardware_id is not None:
            bare = self.hardware_id_form == "bare"
            values["4"] = self.hardware_id if bare else der.octet_string(self.hardware_id)
        if self.cloud_provider is not None:
            values["5"] = der.ia5_string(self.cloud_provider)
        extensions = (
            extension(f"{AMD_OID}.{arcs}", value) for arcs, value in values.items() if arcs not in self.left_out
        )
        return certificate(
            subject=self.common_name,
            issuer=self.issuer.name,
            public_key=key,
            signer=self.issuer.key,
            serial=self.serial,
            extensions=(*extensions, *self.more_extensions),
            not_before=self.not_before,
            not_after=self.not_after,
        )


def vcek(authorities: Hierarchy, chip: bytes, levels: Levels) -> Endorsement:
    """Describe the honest VCEK of a chip: `chip` is its id, 64 bytes, on Turin 8."""
    turin = authorities.line == "Turin"
    return Endorsement(
        common_name="SEV-VCEK",
        issuer=authorities.ask,
        product_name=f"{authorities.line}-B0",
        levels=levels,
        fmc=turin,
        hardware_id=chip,
        hardware_id_form="wrapped" if turin else "bare",
    )


def vlek(authorities: Hierarchy, levels: Levels) -> Endorsement:
    """Describe the honest VLEK of a cloud provider."""
    return Endorsement(
        common_name="SEV-VLEK",
        issuer=authorities.asvk,
        product_name=authorities.line,
        levels=levels,
        fmc=authorities.line == "Turin",
        cloud_provider="CN=cloud.example",
    )


def extension(oid: str, value: bytes, *, critical: bool = False) -> bytes:
    """Encode an X.509 extension."""
    return der.sequence(der.object_identifier(oid), der.BOOLEAN_TRUE if critical else b"", der.octet_string(value))


def name(common_name: str) -> bytes:
    """Encode a distinguished name as AMD writes its own."""
    attributes = (
        ("2.5.4.11", "Engineering"),
        ("2.5.4.6", "US"),
        ("2.5.4.7", "Santa Clara"),
        ("2.5.4.8", "CA"),
        ("2.5.4.10", "Advanced Micro Devices"),
        ("2.5.4.3", common_name),
    )
    return der.sequence(
        *(der.set_of(der.sequence(der.object_identifier(oid), der.utf8_string(text))) for oid, text in attributes)
    )


def certificate(
    *,
    subject: str,
    issuer: str,
    public_key: PublicKey,
    signer: rsa.RSAPrivateKey,
    serial: int,
    extensions: tuple[bytes, ...],
    not_before: datetime,
    not_after: datetime,
) -> bytes:
    """Make an X.509 certificate, signed with RSASSA-PSS as AMD does."""
    to_be_signed = der.sequence(
        der.explicit(0, der.integer(2)),
        der.integer(serial),
        _PSS_SHA384,
        name(issuer),
        der.sequence(der.utc_time(not_before), der.utc_time(not_after)),
        name(subject),
        public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        der.explicit(3, der.sequence(*extensions)),
    )
    signature = signer.sign(to_be_signed, padding.PSS(padding.MGF1(hashes.SHA384()), 48), hashes.SHA384())
    return der.sequence(to_be_signed, _PSS_SHA384, der.bit_string(signature))
