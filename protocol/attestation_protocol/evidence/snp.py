"""AMD SEV-SNP attestation reports: the 1184 bytes that the firmware makes, versions 2 to 5.

The layout is `FIELDS` below, after AMD's document 56860 (SEV Secure Nested Paging Firmware ABI Specification), section
7.3, ATTESTATION_REPORT. All integers are little-endian. The signature covers bytes 0x000 to 0x29f.

What the versions differ in:

    2   has no CPUID, hence names no product line
    3   CPUID family, model and stepping at 0x188
    4   as 3 (no public revision of the document describes it)
    5   mitigation vectors at 0x1f8 and 0x200

A TCB version has 8 bytes, in one of two orders (section 2.2); 0 is reserved:

    Milan, Genoa    bootloader  tee  0  0  0  0  snp  microcode
    Turin           fmc  bootloader  tee  snp  0  0  0  microcode

A version 2 report is read in Turin's order when only the first 8 bytes of its chip id are set, as Turin's are.

What is reserved must be zero and is refused otherwise: who does not know a bit cannot know what it takes back. The bits
of POLICY, PLATFORM_INFO and KEY_INFO that revisions 1.51 to 1.58 of the document name are known in every version: each
only adds to what the others say, and there is no public list for version 4.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import Enum, IntEnum, StrEnum
from typing import Any, Final, Self

from attestation_protocol.errors import EvidenceFormatError

VERSIONS: Final = range(2, 6)
"""The report versions that are understood."""

FIELDS: Final = (
    (0x000, "I", "version"),
    (0x004, "I", "guest_svn"),
    (0x008, "Q", "policy"),
    (0x010, "16s", "family_id"),
    (0x020, "16s", "image_id"),
    (0x030, "I", "vmpl"),
    (0x034, "I", "signature_algorithm"),
    (0x038, "8s", "current_tcb"),
    (0x040, "Q", "platform_info"),
    (0x048, "I", "key_info"),
    (0x04C, "4s", "reserved_04c"),
    (0x050, "64s", "report_data"),
    (0x090, "48s", "measurement"),
    (0x0C0, "32s", "host_data"),
    (0x0E0, "48s", "id_key_digest"),
    (0x110, "48s", "author_key_digest"),
    (0x140, "32s", "report_id"),
    (0x160, "32s", "report_id_ma"),
    (0x180, "8s", "reported_tcb"),
    (0x188, "3s", "cpuid"),
    (0x18B, "21s", "reserved_18b"),
    (0x1A0, "64s", "chip_id"),
    (0x1E0, "8s", "committed_tcb"),
    (0x1E8, "3s", "current_firmware"),
    (0x1EB, "1s", "reserved_1eb"),
    (0x1EC, "3s", "committed_firmware"),
    (0x1EF, "1s", "reserved_1ef"),
    (0x1F0, "8s", "launch_tcb"),
    (0x1F8, "Q", "launch_mitigations"),
    (0x200, "Q", "current_mitigations"),
    (0x208, "152s", "reserved_208"),
    (0x2A0, "72s", "signature_r"),
    (0x2E8, "72s", "signature_s"),
    (0x330, "368s", "reserved_330"),
)
"""Offset, format as in `struct` and name of each field."""

RAW_LAYOUT: Final = struct.Struct("<" + "".join(form for _, form, _ in FIELDS))
REPORT_SIZE: Final = 0x4A0
SIGNED_SIZE: Final = 0x2A0
"""The signature covers the bytes before this offset."""

_NAMES: Final = tuple(name for _, _, name in FIELDS)
_RESERVED: Final = tuple(name for name in _NAMES if name.startswith("reserved"))
_ECDSA_P384_SHA384: Final = 1
_FIRST_WITH_CPUID: Final = 3
_FIRST_WITH_MITIGATIONS: Final = 5


class TcbOrder(Enum):
    """In which order the components of a TCB version stand in its 8 bytes (56860 section 2.2)."""

    MILAN = "Milan, Genoa"
    TURIN = "Turin"


class Product(StrEnum):
    """A product line, as AMD's key distribution service and its certificates name it."""

    MILAN = "Milan"
    GENOA = "Genoa"
    TURIN = "Turin"

    @classmethod
    def of_cpu(cls, family: int, model: int) -> Self:
        """Return the product line of a CPUID family and model. Raises EvidenceFormatError."""
        for known, models, product in _CPUS:
            if family == known and model in models:
                return cls(product)
        raise EvidenceFormatError(
            f"CPU family {family:#x} model {model:#x} is of no known product line; known: {', '.join(cls)}",
            code="SNP-CPU",
        )

    @property
    def tcb_order(self) -> TcbOrder:
        """The order of the components in its TCB versions."""
        return TcbOrder.TURIN if self is Product.TURIN else TcbOrder.MILAN

    @property
    def chip_id_size(self) -> int:
        """How many bytes of CHIP_ID are the chip's. What follows them is zero."""
        return 8 if self is Product.TURIN else 64


_CPUS: Final = (
    (0x19, range(0x10), "Milan"),
    (0x19, range(0x10, 0x20), "Genoa"),
    (0x19, range(0xA0, 0xB0), "Genoa"),
    (0x1A, range(0x12), "Turin"),
)
"""CPUID family and models of the product lines."""


@dataclass(frozen=True, slots=True)
class Tcb:
    """A TCB version: the security patch levels of the firmware's parts, 0 to 255 each."""

    bootloader: int
    tee: int
    snp: int
    microcode: int
    fmc: int | None = None
    """First mutable code; on Turin only."""

    @classmethod
    def parse(cls, raw: bytes, order: TcbOrder) -> Self:
        """Read 8 bytes. Raises EvidenceFormatError when a reserved one is not zero."""
        fmc = None
        if order is TcbOrder.TURIN:
            fmc, bootloader, tee, snp, *reserved, microcode = raw
        else:
            bootloader, tee, *reserved, snp, microcode = raw
        if any(reserved):
            raise _reserved(f"TCB version {raw.hex()}")
        return cls(bootloader, tee, snp, microcode, fmc)

    def encode(self) -> bytes:
        """Return the 8 bytes that `parse` reads."""
        if self.fmc is None:
            return bytes((self.bootloader, self.tee, 0, 0, 0, 0, self.snp, self.microcode))
        return bytes((self.fmc, self.bootloader, self.tee, self.snp, 0, 0, 0, self.microcode))

    def __str__(self) -> str:
        levels = f"bootloader {self.bootloader}, tee {self.tee}, snp {self.snp}, microcode {self.microcode}"
        return levels if self.fmc is None else f"fmc {self.fmc}, {levels}"


@dataclass(frozen=True, slots=True)
class GuestPolicy:
    """What the guest's owner allows the host (56860 section 4.3)."""

    abi_minor: int
    abi_major: int
    smt: bool
    migration_agent: bool
    debug: bool
    single_socket: bool
    cxl: bool
    memory_aes_256_xts: bool
    rapl_disabled: bool
    ciphertext_hiding: bool
    page_swap_disabled: bool

    @classmethod
    def parse(cls, value: int) -> Self:
        """Read 64 bits. Raises EvidenceFormatError for a bit that must be zero, and for the one that must be one."""
        if value >> 26:
            raise _reserved(f"POLICY {value:#x}")
        if not value >> 17 & 1:
            raise EvidenceFormatError(f"POLICY {value:#x}: bit 17 must be one", code="SNP-RESERVED")
        return cls(value & 0xFF, value >> 8 & 0xFF, *(bool(value >> bit & 1) for bit in (16, *range(18, 26))))


@dataclass(frozen=True, slots=True)
class PlatformInfo:
    """How the machine is set up (56860 section 7.3, PLATFORM_INFO)."""

    smt: bool
    tsme: bool
    ecc: bool
    rapl_disabled: bool
    ciphertext_hiding: bool
    alias_check_complete: bool
    tio: bool

    @classmethod
    def parse(cls, value: int) -> Self:
        """Read 64 bits. Raises EvidenceFormatError for a bit that must be zero."""
        if value & ~0b1011_1111:
            raise _reserved(f"PLATFORM_INFO {value:#x}")
        return cls(*(bool(value >> bit & 1) for bit in (*range(6), 7)))


class SigningKey(IntEnum):
    """Which key signed a report."""

    VCEK = 0
    VLEK = 1
    NONE = 7


_SIGNING_KEYS: Final = frozenset(SigningKey)


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """Which keys a report is about (56860 section 7.3, KEY_INFO)."""

    author_key: bool
    mask_chip_key: bool
    """The firmware was told not to sign: it writes zeros for a signature."""
    signing_key: SigningKey

    @classmethod
    def parse(cls, value: int) -> Self:
        """Read 32 bits. Raises EvidenceFormatError for reserved bits, and for reserved values of SIGNING_KEY."""
        signing_key = value >> 2 & 0b111
        if value >> 5 or signing_key not in _SIGNING_KEYS:
            raise _reserved(f"KEY_INFO {value:#x}")
        return cls(bool(value & 1), bool(value & 2), SigningKey(signing_key))


@dataclass(frozen=True, slots=True)
class FirmwareVersion:
    """Version of the SNP firmware."""

    build: int
    minor: int
    major: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.build}"


@dataclass(frozen=True, slots=True)
class Report:
    """A parsed report. Nothing in it is authentic until a verifier says so."""

    version: int
    guest_svn: int
    policy: GuestPolicy
    family_id: bytes
    image_id: bytes
    vmpl: int
    """Privilege level of the software that asked for the report, 0 to 3; 0xffffffff when the host asked."""
    current_tcb: Tcb
    platform_info: PlatformInfo
    key_info: KeyInfo
    report_data: bytes
    measurement: bytes
    host_data: bytes
    id_key_digest: bytes
    author_key_digest: bytes
    report_id: bytes
    report_id_ma: bytes
    reported_tcb: Tcb
    """The TCB version that the signing key was derived from."""
    product: Product | None
    """None in version 2, which has no CPUID."""
    tcb_order: TcbOrder
    chip_id: bytes
    """64 bytes, all zero where the host masks them."""
    committed_tcb: Tcb
    current_firmware: FirmwareVersion
    committed_firmware: FirmwareVersion
    launch_tcb: Tcb
    launch_mitigations: int
    """Bits; zero below version 5."""
    current_mitigations: int
    """Bits; zero below version 5."""
    signed: bytes = field(repr=False)
    """The 672 bytes that the signature covers."""
    signature: tuple[int, int] = field(repr=False)
    """ECDSA r and s."""

    @property
    def chip_id_masked(self) -> bool:
        """Whether the host keeps the chip's identity to itself (MASK_CHIP_ID)."""
        return not any(self.chip_id)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read exactly one report. Raises EvidenceFormatError."""
        if len(data) != REPORT_SIZE:
            raise EvidenceFormatError(f"a report has {REPORT_SIZE} bytes, not {len(data)}", code="SNP-SIZE")
        raw = dict(zip(_NAMES, RAW_LAYOUT.unpack(data), strict=True))
        _check(raw)
        product = Product.of_cpu(raw["cpuid"][0], raw["cpuid"][1]) if raw["version"] >= _FIRST_WITH_CPUID else None
        order = product.tcb_order if product else _order_by_chip(raw["chip_id"])
        return cls(
            version=raw["version"],
            guest_svn=raw["guest_svn"],
            policy=GuestPolicy.parse(raw["policy"]),
            family_id=raw["family_id"],
            image_id=raw["image_id"],
            vmpl=raw["vmpl"],
            current_tcb=Tcb.parse(raw["current_tcb"], order),
            platform_info=PlatformInfo.parse(raw["platform_info"]),
            key_info=KeyInfo.parse(raw["key_info"]),
            report_data=raw["report_data"],
            measurement=raw["measurement"],
            host_data=raw["host_data"],
            id_key_digest=raw["id_key_digest"],
            author_key_digest=raw["author_key_digest"],
            report_id=raw["report_id"],
            report_id_ma=raw["report_id_ma"],
            reported_tcb=Tcb.parse(raw["reported_tcb"], order),
            product=product,
            tcb_order=order,
            chip_id=raw["chip_id"],
            committed_tcb=Tcb.parse(raw["committed_tcb"], order),
            current_firmware=FirmwareVersion(*raw["current_firmware"]),
            committed_firmware=FirmwareVersion(*raw["committed_firmware"]),
            launch_tcb=Tcb.parse(raw["launch_tcb"], order),
            launch_mitigations=raw["launch_mitigations"],
            current_mitigations=raw["current_mitigations"],
            signed=data[:SIGNED_SIZE],
            signature=(_number(raw["signature_r"]), _number(raw["signature_s"])),
        )


def _check(raw: dict[str, Any]) -> None:
    """Refuse an unknown version, reserved bytes that are not zero, and an unknown algorithm."""
    version, algorithm = raw["version"], raw["signature_algorithm"]
    if version not in VERSIONS:
        raise EvidenceFormatError(
            f"report version {version} is not supported; supported: {VERSIONS[0]} to {VERSIONS[-1]}",
            code="SNP-VERSION",
        )
    for name in _RESERVED:
        if any(raw[name]):
            raise _reserved(f"bytes at 0x{name.removeprefix('reserved_')}")
    if version < _FIRST_WITH_CPUID and any(raw["cpuid"]):
        raise _reserved(f"bytes at 0x188 of a version {version} report")
    if version < _FIRST_WITH_MITIGATIONS and (raw["launch_mitigations"] or raw["current_mitigations"]):
        raise _reserved(f"bytes at 0x1f8 of a version {version} report")
    if algorithm != _ECDSA_P384_SHA384:
        raise EvidenceFormatError(
            f"signature algorithm {algorithm} is not supported; supported: 1, ECDSA P-384 with SHA-384",
            code="SNP-ALGORITHM",
        )


def _order_by_chip(chip_id: bytes) -> TcbOrder:
    size = Product.TURIN.chip_id_size
    return TcbOrder.TURIN if any(chip_id[:size]) and not any(chip_id[size:]) else TcbOrder.MILAN


def _number(raw: bytes) -> int:
    """Read one number of a signature: 72 bytes, of which P-384 needs 48."""
    number = int.from_bytes(raw, "little")
    if number >> 384:
        raise _reserved("signature beyond 48 bytes")
    return number


def _reserved(where: str) -> EvidenceFormatError:
    return EvidenceFormatError(f"{where}: what is reserved must be zero", code="SNP-RESERVED")
