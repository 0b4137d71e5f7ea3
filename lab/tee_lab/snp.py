"""An SEV-SNP machine of our own: it signs reports with a VCEK or VLEK that an AMD of our own endorses.

    machine = SnpMachine.of("Turin")
    evidence = machine.evidence(report_data=b"nonce")                   honest
    evidence = machine.evidence(policy=machine.policy | DEBUG)          a debug guest, properly signed
    evidence = machine.evidence(certificates={"VCEK": machine.vcek(levels=Levels(snp=1))})

Reports are packed by hand, offset by offset (AMD 56860 section 7.3), and their JSON is cut out of the bytes again: no
code is shared with any parser of them. Everything is honest unless an argument says otherwise, and then it is signed
all the same: what remains to be found is the lie.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tee_lab.snp_certificates import Hierarchy, Levels, Line, hierarchy, vcek, vlek

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SMT: Final = 1 << 16
MUST_BE_ONE: Final = 1 << 17
MIGRATE_MA: Final = 1 << 18
DEBUG: Final = 1 << 19
"""Bits of POLICY."""

SIGNED_BY_VCEK: Final = 0 << 2
SIGNED_BY_VLEK: Final = 1 << 2
SIGNED_BY_NONE: Final = 7 << 2
"""Values of KEY_INFO."""

GUIDS: Final = {
    "ARK": "c0b406a4-a803-4952-9743-3fb6014cd0ae",
    "ASK": "4ab7b379-bbac-4fe4-a02f-05aef327c782",
    "VCEK": "63da758d-e664-4564-adc5-f4b93be8accd",
    "VLEK": "a8074bc2-a25a-483e-aae6-39c045a0b8a1",
    "CRL": "92f81bc3-5811-4d3d-97ff-d19f88dc67ea",
}

Generation = Literal["first", "second"]
"""Which JSON a guest writes: with the report's reserved bytes, or without."""
_CPUID: Final = {"Milan": (0x19, 0x01, 0x01), "Genoa": (0x19, 0x11, 0x01), "Turin": (0x1A, 0x02, 0x01)}


@dataclass(frozen=True, slots=True)
class ReportFields:
    """The fields of a report, as they lie in it. Integers are little-endian there."""

    chip_id: bytes
    cpuid: tuple[int, int, int]
    tcb: bytes
    """CURRENT, REPORTED, COMMITTED and LAUNCH_TCB, where not given one by one."""
    version: int = 5
    guest_svn: int = 0
    policy: int = MUST_BE_ONE | SMT
    family_id: bytes = bytes(16)
    image_id: bytes = bytes(16)
    vmpl: int = 0
    signature_algorithm: int = 1
    platform_info: int = 0x25
    key_info: int = SIGNED_BY_VCEK
    report_data: bytes = b""
    measurement: bytes = b"\x11" * 48
    host_data: bytes = bytes(32)
    id_key_digest: bytes = bytes(48)
    author_key_digest: bytes = bytes(48)
    report_id: bytes = b"\x22" * 32
    report_id_ma: bytes = b"\xff" * 32
    current_tcb: bytes | None = None
    reported_tcb: bytes | None = None
    committed_tcb: bytes | None = None
    launch_tcb: bytes | None = None
    current_firmware: tuple[int, int, int] = (45, 55, 1)
    committed_firmware: tuple[int, int, int] = (45, 55, 1)
    """Build, minor, major."""
    launch_mitigations: int = 0x3
    current_mitigations: int = 0x7
    patches: tuple[tuple[int, bytes], ...] = ()
    """Bytes to put at offsets after all else, before signing: for what no field is for."""

    def pack(self) -> bytes:
        """Return the 0x2a0 bytes that get signed."""
        out = bytearray(0x2A0)
        places = (
            (0x000, self.version.to_bytes(4, "little")),
            (0x004, self.guest_svn.to_bytes(4, "little")),
            (0x008, self.policy.to_bytes(8, "little")),
            (0x010, self.family_id),
            (0x020, self.image_id),
            (0x030, self.vmpl.to_bytes(4, "little")),
            (0x034, self.signature_algorithm.to_bytes(4, "little")),
            (0x038, self.current_tcb or self.tcb),
            (0x040, self.platform_info.to_bytes(8, "little")),
            (0x048, self.key_info.to_bytes(4, "little")),
            (0x050, self.report_data.ljust(64, b"\0")),
            (0x090, self.measurement),
            (0x0C0, self.host_data),
            (0x0E0, self.id_key_digest),
            (0x110, self.author_key_digest),
            (0x140, self.report_id),
            (0x160, self.report_id_ma),
            (0x180, self.reported_tcb or self.tcb),
            (0x188, bytes(self.cpuid) if self.version > 2 else b""),  # noqa: PLR2004  # version 2 has none
            (0x1A0, self.chip_id.ljust(64, b"\0")),
            (0x1E0, self.committed_tcb or self.tcb),
            (0x1E8, bytes(self.current_firmware)),
            (0x1EC, bytes(self.committed_firmware)),
            (0x1F0, self.launch_tcb or self.tcb),
            (0x1F8, self.launch_mitigations.to_bytes(8, "little") if self.version > 4 else b""),  # noqa: PLR2004
            (0x200, self.current_mitigations.to_bytes(8, "little") if self.version > 4 else b""),  # noqa: PLR2004
            *self.patches,
        )
        for offset, content in places:
            out[offset : offset + len(content)] = content
        return bytes(out)


@dataclass(frozen=True, slots=True)
class SnpMachine:
    """A machine of a product line, with one chip at one TCB version."""

    authorities: Hierarchy
    levels: Levels
    chip_id: bytes
    """64 bytes, on Turin 8."""
    key: ec.EllipticCurvePrivateKey = field(repr=False)
    """Both its VCEK and its VLEK: which one it is, the certificate says."""

    @classmethod
    def of(cls, line: Line, *, levels: Levels | None = None, which: str = "trusted") -> Self:
        """Build a machine of a product line. `which` chooses among AMDs: those of other names are foreign ones."""
        chip = hashlib.sha512(f"chip of {line}".encode()).digest()
        return cls(
            hierarchy(line, which),
            levels or Levels(),
            chip[:8] if line == "Turin" else chip,
            ec.generate_private_key(ec.SECP384R1()),
        )

    @property
    def line(self) -> Line:
        """The product line."""
        return self.authorities.line

    def fields(self, **changes: Any) -> ReportFields:  # noqa: ANN401  # fields of ReportFields
        """Return the fields of an honest report, with changes."""
        honest = ReportFields(chip_id=self.chip_id, cpuid=_CPUID[self.line], tcb=tcb(self.line, self.levels))
        return replace(honest, **changes)

    def report(self, *, key: ec.EllipticCurvePrivateKey | None = None, **changes: Any) -> bytes:  # noqa: ANN401
        """Sign a report, with its own key or another one."""
        body = self.fields(**changes).pack()
        return body + signature(key or self.key, body)

    def vcek(self, **changes: Any) -> bytes:  # noqa: ANN401  # fields of Endorsement
        """Have the VCEK endorsed."""
        return replace(vcek(self.authorities, self.chip_id, self.levels), **changes).issue(self.key.public_key())

    def vlek(self, **changes: Any) -> bytes:  # noqa: ANN401  # fields of Endorsement
        """Have the VLEK endorsed."""
        return replace(vlek(self.authorities, self.levels), **changes).issue(self.key.public_key())

    def evidence(
        self,
        *,
        certificates: Mapping[str, bytes] | Literal["honest"] | None = "honest",
        generation: Generation = "second",
        **changes: Any,  # noqa: ANN401  # fields of ReportFields
    ) -> dict[str, Any]:
        """Return evidence as a guest sends it. Honest certificates are the VCEK or VLEK that KEY_INFO speaks of."""
        report = self.report(**changes)
        if certificates == "honest":
            by_vlek = changes.get("key_info", SIGNED_BY_VCEK) == SIGNED_BY_VLEK
            certificates = {"VLEK": self.vlek()} if by_vlek else {"VCEK": self.vcek()}
        chain = None if certificates is None else certificates.items()
        return evidence_json(report, chain, generation=generation)


def tcb(line: Line, levels: Levels) -> bytes:
    """Pack a TCB version in the order of a product line."""
    if line == "Turin":
        return bytes((levels.fmc, levels.bootloader, levels.tee, levels.snp, 0, 0, 0, levels.microcode))
    return bytes((levels.bootloader, levels.tee, 0, 0, 0, 0, levels.snp, levels.microcode))


def signature(key: ec.EllipticCurvePrivateKey, body: bytes) -> bytes:
    """Sign, and return the 512 bytes of SIGNATURE: r and s in 72 bytes each, little-endian, then zeros."""
    r, s = decode_dss_signature(key.sign(body, ec.ECDSA(hashes.SHA384())))
    return (r.to_bytes(72, "little") + s.to_bytes(72, "little")).ljust(512, b"\0")


def evidence_json(
    report: bytes, chain: Iterable[tuple[str, bytes]] | None, *, generation: Generation = "second"
) -> dict[str, Any]:
    """Write a report and its certificates as JSON. A type that is a UUID becomes `{"OTHER": …}`."""
    entries = [
        {"cert_type": {"OTHER": kind} if "-" in kind else kind, "data": list(data)} for kind, data in chain or ()
    ]
    return {
        "attestation_report": report_json(report, generation=generation),
        "cert_chain": None if chain is None else entries,
    }


def report_json(report: bytes, *, generation: Generation = "second") -> dict[str, Any]:
    """Write a report as JSON, cut out of its bytes."""
    common = {
        "version": _number(report, 0x000, 4),
        "guest_svn": _number(report, 0x004, 4),
        "policy": _number(report, 0x008, 8),
        "family_id": list(report[0x010:0x020]),
        "image_id": list(report[0x020:0x030]),
        "vmpl": _number(report, 0x030, 4),
        "sig_algo": _number(report, 0x034, 4),
        "plat_info": _number(report, 0x040, 8),
        "report_data": list(report[0x050:0x090]),
        "measurement": list(report[0x090:0x0C0]),
        "host_data": list(report[0x0C0:0x0E0]),
        "id_key_digest": list(report[0x0E0:0x110]),
        "author_key_digest": list(report[0x110:0x140]),
        "report_id": list(report[0x140:0x160]),
        "report_id_ma": list(report[0x160:0x180]),
        "chip_id": list(report[0x1A0:0x1E0]),
    }
    return common | (_first_generation(report) if generation == "first" else _second_generation(report))


_TCBS: Final = {"current_tcb": 0x038, "reported_tcb": 0x180, "committed_tcb": 0x1E0, "launch_tcb": 0x1F0}


def _first_generation(report: bytes) -> dict[str, Any]:
    def tcb_json(at: int) -> dict[str, Any]:
        low = {"bootloader": report[at], "tee": report[at + 1], "_reserved": list(report[at + 2 : at + 6])}
        return low | {"snp": report[at + 6], "microcode": report[at + 7]}

    return {
        **{name: tcb_json(at) for name, at in _TCBS.items()},
        "_author_key_en": _number(report, 0x048, 4),
        "_reserved_0": _number(report, 0x04C, 4),
        "_reserved_1": list(report[0x188:0x1A0]),
        "current_build": report[0x1E8],
        "current_minor": report[0x1E9],
        "current_major": report[0x1EA],
        "_reserved_2": report[0x1EB],
        "committed_build": report[0x1EC],
        "committed_minor": report[0x1ED],
        "committed_major": report[0x1EE],
        "_reserved_3": report[0x1EF],
        "_reserved_4": list(report[0x1F8:0x2A0]),
        "signature": {
            "r": list(report[0x2A0:0x2E8]),
            "s": list(report[0x2E8:0x330]),
            "_reserved": list(report[0x330:0x4A0]),
        },
    }


def _second_generation(report: bytes) -> dict[str, Any]:
    version = report[0]
    turin = report[0x188] == _CPUID["Turin"][0] if version > 2 else not any(report[0x1A8:0x1E0])  # noqa: PLR2004

    def tcb_json(at: int) -> dict[str, Any]:
        names = ("fmc", "bootloader", "tee", "snp") if turin else ("bootloader", "tee", None, None, None, None, "snp")
        levels = {name: report[at + index] for index, name in enumerate(names) if name}
        return {"fmc": None, **levels, "microcode": report[at + 7]}

    def firmware(at: int) -> dict[str, int]:
        return {"major": report[at + 2], "minor": report[at + 1], "build": report[at]}

    has_cpuid, has_mitigations = version >= 3, version >= 5  # noqa: PLR2004
    return {
        **{name: tcb_json(at) for name, at in _TCBS.items()},
        "key_info": _number(report, 0x048, 4),
        "cpuid_fam_id": report[0x188] if has_cpuid else None,
        "cpuid_mod_id": report[0x189] if has_cpuid else None,
        "cpuid_step": report[0x18A] if has_cpuid else None,
        "current": firmware(0x1E8),
        "committed": firmware(0x1EC),
        "launch_mit_vector": _number(report, 0x1F8, 8) if has_mitigations else None,
        "current_mit_vector": _number(report, 0x200, 8) if has_mitigations else None,
        "signature": {"r": list(report[0x2A0:0x2E8]), "s": list(report[0x2E8:0x330])},
    }


def _number(report: bytes, offset: int, size: int) -> int:
    return int.from_bytes(report[offset : offset + size], "little")


def certificate_table(entries: Iterable[tuple[str, bytes]]) -> bytes:
    """Write the table that the hardware interface hands out: types by name or UUID, one certificate after the other."""
    listed = [(bytes.fromhex(GUIDS.get(kind, kind).replace("-", "")), data) for kind, data in entries]
    header, body, offset = b"", b"", 24 * (len(listed) + 1)
    for guid, data in listed:
        header += guid + offset.to_bytes(4, "little") + len(data).to_bytes(4, "little")
        body += data
        offset += len(data)
    return header + bytes(24) + body
