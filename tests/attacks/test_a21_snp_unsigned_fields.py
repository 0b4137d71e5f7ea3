"""A21: an SNP verdict rests on signed bytes. What surrounds them may be edited, and changes nothing or gets refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from attestation_protocol.errors import EvidenceFormatError
from attestation_protocol.evidence.snp import Report
from attestation_protocol.evidence.snp_evidence import CertificateType, SnpEvidence
from tee_lab.snp import Generation, report_json

from tests.unit.evidence_verifiers.snp_support import LINES, VERSIONS, judge, machine, refusals

if TYPE_CHECKING:
    from tee_lab.snp_certificates import Line

WHERE_IT_SHOWS = {"SNP-SIGNATURE", "SNP-SIGNER", "SNP-PRODUCT"}
FORMATS = {"SNP-VERSION", "SNP-RESERVED", "SNP-CPU", "SNP-ALGORITHM"}


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("version", VERSIONS)
def test_a21_snp_no_flipped_byte_of_the_signed_region_is_accepted(line: Line, version: int) -> None:
    good, certificates = machine(line).report(version=version), {CertificateType.VCEK: machine(line).vcek()}
    assert judge(SnpEvidence(Report.parse(good), certificates)).cause is None
    for offset in range(0x2A0):
        flipped = bytearray(good)
        flipped[offset] ^= 1 << offset % 8
        try:
            report = Report.parse(bytes(flipped))
        except EvidenceFormatError as error:
            assert error.code in FORMATS  # noqa: PT017  # refused before its signature is checked: as good
            continue
        verdict = judge(SnpEvidence(report, certificates))
        assert verdict.cause is not None
        assert {finding.check.code for finding in verdict.failed} & WHERE_IT_SHOWS


@pytest.mark.parametrize("offset", [*range(0x2A0, 0x2D0), *range(0x2E8, 0x318)])
def test_a21_snp_no_flipped_byte_of_the_signature_is_accepted(offset: int) -> None:
    flipped = bytearray(machine().report())
    flipped[offset] ^= 1
    assert refusals(SnpEvidence(Report.parse(bytes(flipped)), {CertificateType.VCEK: machine().vcek()})) == [
        "SNP-SIGNATURE"
    ]


@pytest.mark.parametrize("generation", ["first", "second"])
@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("measurement", [0x99] * 48),
        ("report_data", [0x99] * 64),
        ("host_data", [0x99] * 32),
        ("chip_id", [0x99] * 64),
        ("guest_svn", 99),
        ("policy", 1 << 17 | 0xFF),
        ("plat_info", 0),
        ("id_key_digest", [0x99] * 48),
    ],
)
def test_a21_snp_claims_edited_in_the_json_are_refused(generation: Generation, member: str, value: Any) -> None:
    evidence = machine().evidence(generation=generation)
    evidence["attestation_report"][member] = value
    assert refusals(evidence) == ["SNP-SIGNATURE"]


def test_a21_snp_a_debug_guest_cannot_edit_its_policy_away() -> None:
    evidence = machine().evidence(policy=1 << 17 | 1 << 19, vmpl=3)
    evidence["attestation_report"]["policy"] = 1 << 17
    evidence["attestation_report"]["vmpl"] = 0
    assert refusals(evidence) == ["SNP-SIGNATURE"]


def test_a21_snp_a_tcb_in_the_wrong_order_means_what_its_bytes_say() -> None:
    """`fmc` given on Milan: the same eight bytes, read in Milan's order all the same."""
    levels = {"bootloader": 0, "tee": 0, "snp": 0, "microcode": 0}
    evidence = machine().evidence()
    for name in ("current_tcb", "reported_tcb", "committed_tcb", "launch_tcb"):
        evidence["attestation_report"][name] = {"fmc": 4, **levels}
    assert refusals(evidence) == ["SNP-SIGNATURE"]


def test_a21_snp_names_beside_the_report_are_not_claims() -> None:
    honest = machine().evidence()
    decorated = honest | {"measurement": "00", "claims": {"debug": False}, "verdict": "accepted"}
    assert judge(decorated).claims == judge(honest).claims


def test_a21_snp_what_a_certificate_is_called_in_the_chain_decides_nothing() -> None:
    evidence = machine().evidence()
    evidence["cert_chain"][0]["cert_type"] = {"OTHER": "63da758d-e664-4564-adc5-f4b93be8accd"}
    assert refusals(evidence) == ["SNP-CHAIN"]


def test_a21_snp_claims_are_the_same_for_both_ways_of_writing_a_report() -> None:
    report = machine().report(report_data=b"x")
    chain = machine().evidence()["cert_chain"]
    first, second = (
        judge(json.loads(json.dumps({"attestation_report": report_json(report, generation=way), "cert_chain": chain})))
        for way in ("first", "second")
    )
    assert first.claims == second.claims
    assert first.claims is not None
