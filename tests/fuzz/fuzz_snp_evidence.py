"""SNP evidence in JSON and binary: parsed into bytes that parse again, or refused with EvidenceFormatError."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from attestation_protocol.encoding import compact_json, parse_json
from attestation_protocol.errors import EncodingError, EvidenceFormatError
from attestation_protocol.evidence.snp import Report
from attestation_protocol.evidence.snp_evidence import SnpEvidence, parse_certificate_table, report_bytes

from tests.conformance.vectors import HERE

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_LEN = 16_384
SEED = json.loads((HERE / "snp" / "seed" / "evidence.json").read_bytes())


def target(data: bytes) -> None:
    for parse in (SnpEvidence.parse_binary, Report.parse, parse_certificate_table):
        try:
            parse(data)
        except EvidenceFormatError:
            continue
    try:
        value = parse_json(data)
    except EncodingError:
        return
    try:
        evidence = SnpEvidence.parse(value)
    except EvidenceFormatError:
        return
    assert Report.parse(report_bytes(value["attestation_report"])) == evidence.report


def seeds() -> Iterable[bytes]:
    raw = report_bytes(SEED["attestation_report"])
    yield compact_json(SEED)
    yield compact_json({"attestation_report": SEED["attestation_report"], "cert_chain": None})
    for version in (2, 3, 5):
        yield version.to_bytes(4, "little") + raw[4:]
    yield (
        bytes.fromhex("63da758de6644564adc5f4b93be8accd")
        + (48).to_bytes(4, "little")
        + (4).to_bytes(4, "little")
        + bytes(28)
    )


TARGET = target
SEEDS = seeds
