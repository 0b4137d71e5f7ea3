"""SEV-SNP evidence: a report, and the certificates that the host gave the guest with it.

On the wire the report is not its 1184 bytes but a JSON object, and the reader has to put the signed bytes together
again. There are two generations of that object, told apart by their names:

    first     the report as it lies in memory: `_author_key_en` (all of KEY_INFO), `_reserved_0` to `_reserved_4`,
              `current_build`, `current_minor`, `current_major`, …, and in each TCB version its reserved bytes
    second    `key_info`, `cpuid_fam_id`, …, `current` and `committed` as objects, mitigation vectors, and in each TCB
              version `fmc`: a number puts it into Turin's order, null into Milan's; no reserved bytes

Either may carry any report version. What a member says counts for nothing until it is back in the bytes: those are
parsed, and nothing else is kept. A member that is unknown, missing or given twice is refused, as is a number that is
not an integer of its field's size.

Certificates come as `cert_chain` in the JSON (`{"cert_type": "VCEK", "data": [bytes of DER]}`), or behind the report as
the table that the hardware interface gives (AMD 56421, GHCB, section 4.1.8.1): entries of 24 bytes (GUID in the order
of its text, u32 offset from the start of the table, u32 length), ended by a zero GUID. Other types, a host's own, are
skipped.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Self

from attestation_protocol.errors import EvidenceFormatError
from attestation_protocol.evidence.snp import FIELDS, RAW_LAYOUT, REPORT_SIZE, Report, Tcb

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_CERTIFICATES: Final = 16
MAX_CERTIFICATE_SIZE: Final = 16 * 1024
"""Bytes of one certificate at the most; AMD's have under 2 KiB."""

_TABLE_ENTRY: Final = struct.Struct("<16sII")
_TABLE_END: Final = bytes(16)


class CertificateType(StrEnum):
    """The certificates that a verifier may look at."""

    ARK = "ARK"
    """AMD's root key."""
    ASK = "ASK"
    """The key that signs VCEKs; or the one that signs VLEKs, which hosts hand out under the same type."""
    VCEK = "VCEK"
    """The key of a chip at a TCB version."""
    VLEK = "VLEK"
    """The key that AMD loaded for a cloud provider, at a TCB version."""
    CRL = "CRL"
    """A revocation list."""


_GUIDS: Final = {
    bytes.fromhex("c0b406a4a803495297433fb6014cd0ae"): CertificateType.ARK,
    bytes.fromhex("4ab7b379bbac4fe4a02f05aef327c782"): CertificateType.ASK,
    bytes.fromhex("63da758de6644564adc5f4b93be8accd"): CertificateType.VCEK,
    bytes.fromhex("a8074bc2a25a483eaae639c045a0b8a1"): CertificateType.VLEK,
    bytes.fromhex("92f81bc358114d3d97ffd19f88dc67ea"): CertificateType.CRL,
}


@dataclass(frozen=True, slots=True)
class SnpEvidence:
    """A report and the certificates that came with it, DER each. Nothing of it is authentic."""

    report: Report
    certificates: Mapping[CertificateType, bytes] | None
    """None: the host gave none. Otherwise there is a VCEK or a VLEK among them."""

    @classmethod
    def parse(cls, value: Any) -> Self:  # noqa: ANN401  # a JSON value from outside
        """Read a JSON value. Raises EvidenceFormatError."""
        if not isinstance(value, dict):
            raise EvidenceFormatError("SNP evidence is a JSON object", code="SNP-FIELD")
        report = Report.parse(report_bytes(value.get("attestation_report")))
        chain = value.get("cert_chain")
        return cls(report, None if chain is None else _certificates(_chain_entries(chain)))

    @classmethod
    def parse_binary(cls, data: bytes) -> Self:
        """Read a report, and the certificate table behind it if there is one. Raises EvidenceFormatError."""
        report, table = Report.parse(data[:REPORT_SIZE]), data[REPORT_SIZE:]
        return cls(report, parse_certificate_table(table) if table else None)


def report_bytes(value: Any) -> bytes:  # noqa: ANN401  # a JSON value from outside
    """Put a report's bytes together from its JSON, of either generation. Raises EvidenceFormatError."""
    members = _Members(value, "attestation_report")
    raw: dict[str, int | bytes] = {
        "version": members.integer("version", 32),
        "guest_svn": members.integer("guest_svn", 32),
        "policy": members.integer("policy", 64),
        "family_id": members.array("family_id", 16),
        "image_id": members.array("image_id", 16),
        "vmpl": members.integer("vmpl", 32),
        "signature_algorithm": members.integer("sig_algo", 32),
        "platform_info": members.integer("plat_info", 64),
        "report_data": members.array("report_data", 64),
        "measurement": members.array("measurement", 48),
        "host_data": members.array("host_data", 32),
        "id_key_digest": members.array("id_key_digest", 48),
        "author_key_digest": members.array("author_key_digest", 48),
        "report_id": members.array("report_id", 32),
        "report_id_ma": members.array("report_id_ma", 32),
        "chip_id": members.array("chip_id", 64),
        **(_first_generation(members) if "_author_key_en" in members else _second_generation(members)),
    }
    members.finish()
    return RAW_LAYOUT.pack(*(raw[name] for _, _, name in FIELDS))


def _first_generation(members: _Members) -> dict[str, int | bytes]:
    cpuid, tail = members.array("_reserved_1", 24), members.array("_reserved_4", 168)
    signature = members.object("signature")
    raw: dict[str, int | bytes] = {
        "key_info": members.integer("_author_key_en", 32),
        "reserved_04c": members.integer("_reserved_0", 32).to_bytes(4, "little"),
        "cpuid": cpuid[:3],
        "reserved_18b": cpuid[3:],
        "reserved_1eb": bytes((members.integer("_reserved_2", 8),)),
        "reserved_1ef": bytes((members.integer("_reserved_3", 8),)),
        "launch_mitigations": int.from_bytes(tail[:8], "little"),
        "current_mitigations": int.from_bytes(tail[8:16], "little"),
        "reserved_208": tail[16:],
        "signature_r": signature.array("r", 72),
        "signature_s": signature.array("s", 72),
        "reserved_330": signature.array("_reserved", 368),
    }
    signature.finish()
    for which in ("current", "committed"):
        raw[f"{which}_firmware"] = bytes(members.integer(f"{which}_{part}", 8) for part in ("build", "minor", "major"))
    for name in ("current_tcb", "reported_tcb", "committed_tcb", "launch_tcb"):
        tcb = members.object(name)
        low, high = (bytes(tcb.integer(part, 8) for part in parts) for parts in _TCB_IN_MEMORY)
        raw[name] = low + tcb.array("_reserved", 4) + high
        tcb.finish()
    return raw


_TCB_IN_MEMORY: Final = (("bootloader", "tee"), ("snp", "microcode"))


def _second_generation(members: _Members) -> dict[str, int | bytes]:
    signature = members.object("signature")
    raw: dict[str, int | bytes] = {
        "key_info": members.integer("key_info", 32),
        "reserved_04c": bytes(4),
        "cpuid": bytes(members.optional(name, 8) or 0 for name in ("cpuid_fam_id", "cpuid_mod_id", "cpuid_step")),
        "reserved_18b": bytes(21),
        "reserved_1eb": bytes(1),
        "reserved_1ef": bytes(1),
        "launch_mitigations": members.optional("launch_mit_vector", 64) or 0,
        "current_mitigations": members.optional("current_mit_vector", 64) or 0,
        "reserved_208": bytes(152),
        "signature_r": signature.array("r", 72),
        "signature_s": signature.array("s", 72),
        "reserved_330": bytes(368),
    }
    signature.finish()
    for which in ("current", "committed"):
        version = members.object(which)
        raw[f"{which}_firmware"] = bytes(version.integer(part, 8) for part in ("build", "minor", "major"))
        version.finish()
    for name in ("current_tcb", "reported_tcb", "committed_tcb", "launch_tcb"):
        tcb = members.object(name)
        parts = {part: tcb.integer(part, 8) for part in ("bootloader", "tee", "snp", "microcode")}
        raw[name] = Tcb(**parts, fmc=tcb.optional("fmc", 8)).encode()
        tcb.finish()
    return raw


class _Members:
    """A JSON object whose members are taken one by one, by their type, until none is left."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise EvidenceFormatError(f"`{where}` is a JSON object", code="SNP-FIELD")
        self._left = dict(value)
        self._where = where

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def integer(self, name: str, bits: int) -> int:
        """Take an unsigned integer of a size in bits."""
        value = self._take(name)
        if type(value) is not int or value < 0 or value >> bits:  # a bool is an int, too
            raise EvidenceFormatError(f"`{self._where}.{name}` is an unsigned {bits}-bit integer", code="SNP-FIELD")
        return value

    def optional(self, name: str, bits: int) -> int | None:
        """Take an unsigned integer that may be null, or absent."""
        if self._left.get(name) is None:
            self._left.pop(name, None)
            return None
        return self.integer(name, bits)

    def array(self, name: str, size: int) -> bytes:
        """Take an array of bytes, given as numbers, of exactly this size."""
        data = _octets(self._take(name))
        if data is None or len(data) != size:
            raise EvidenceFormatError(f"`{self._where}.{name}` is an array of {size} bytes", code="SNP-FIELD")
        return data

    def object(self, name: str) -> _Members:
        """Take an object."""
        return _Members(self._take(name), f"{self._where}.{name}")

    def finish(self) -> None:
        """Refuse what nobody took."""
        if self._left:
            names = ", ".join(sorted(f"{name!r:.40}" for name in self._left)[:5])
            raise EvidenceFormatError(f"`{self._where}` has members that are not known: {names}", code="SNP-FIELD")

    def _take(self, name: str) -> Any:  # noqa: ANN401  # its caller looks at the type
        try:
            return self._left.pop(name)
        except KeyError:
            raise EvidenceFormatError(f"`{self._where}` lacks `{name}`", code="SNP-FIELD") from None


def _octets(value: object) -> bytes | None:
    """Return the bytes that a JSON array of numbers stands for, or None for anything else."""
    if not isinstance(value, list) or set(map(type, value)) - {int}:
        return None
    try:
        return bytes(value)
    except ValueError:
        return None


def _chain_entries(chain: object) -> Iterable[tuple[CertificateType | None, bytes]]:
    """Read `cert_chain`, entry by entry; the type is None for what is skipped."""
    if not isinstance(chain, list) or len(chain) > MAX_CERTIFICATES:
        raise EvidenceFormatError(f"`cert_chain` is an array of at most {MAX_CERTIFICATES} entries", code="SNP-CHAIN")
    for entry in chain:
        kind = entry.get("cert_type") if isinstance(entry, dict) else None
        data = _octets(entry.get("data")) if kind is not None else None
        if data is None or len(data) > MAX_CERTIFICATE_SIZE:
            raise EvidenceFormatError(
                f"an entry of `cert_chain` has a `cert_type`, and `data` of at most {MAX_CERTIFICATE_SIZE} bytes",
                code="SNP-CHAIN",
            )
        if kind == "Empty" or (isinstance(kind, dict) and kind.keys() == {"OTHER"}):
            yield None, data
        elif isinstance(kind, str) and kind in _TYPES:
            yield CertificateType(kind), data
        else:
            raise EvidenceFormatError(f"unknown `cert_type` {kind!r:.40} in `cert_chain`", code="SNP-CHAIN")


_TYPES: Final = frozenset(CertificateType)


def parse_certificate_table(table: bytes) -> Mapping[CertificateType, bytes]:
    """Read a certificate table from the hardware interface. Raises EvidenceFormatError."""
    return _certificates(_table_entries(table))


def _table_entries(table: bytes) -> Iterable[tuple[CertificateType | None, bytes]]:
    places: list[tuple[int, int, CertificateType | None]] = []
    for start in range(0, (MAX_CERTIFICATES + 1) * _TABLE_ENTRY.size, _TABLE_ENTRY.size):
        if start + _TABLE_ENTRY.size > len(table):
            raise EvidenceFormatError("the certificate table has no end", code="SNP-TABLE")
        guid, offset, length = _TABLE_ENTRY.unpack_from(table, start)
        if guid == _TABLE_END:
            break
        places.append((offset, length, _GUIDS.get(guid)))
    else:
        raise EvidenceFormatError(f"the certificate table has over {MAX_CERTIFICATES} entries", code="SNP-TABLE")
    free = start + _TABLE_ENTRY.size
    for offset, length, kind in sorted(places, key=lambda place: place[:2]):
        if offset < free or offset + length > len(table) or length > MAX_CERTIFICATE_SIZE:
            raise EvidenceFormatError(
                f"the certificate table has an entry at {offset:#x}, {length} bytes, that overlaps or is too large",
                code="SNP-TABLE",
            )
        free = offset + length
        yield kind, table[offset:free]


def _certificates(entries: Iterable[tuple[CertificateType | None, bytes]]) -> Mapping[CertificateType, bytes]:
    certificates: dict[CertificateType, bytes] = {}
    for kind, data in entries:
        if kind is None:
            continue
        if kind in certificates:
            raise EvidenceFormatError(f"the certificate chain has two of type {kind}", code="SNP-CHAIN")
        certificates[kind] = data
    if not certificates.keys() & {CertificateType.VCEK, CertificateType.VLEK}:
        raise EvidenceFormatError(
            "the certificate chain has neither a VCEK nor a VLEK",
            code="SNP-CHAIN",
            advice="have the host hand out the VCEK or VLEK of the report too, or no certificates at all",
        )
    return certificates
