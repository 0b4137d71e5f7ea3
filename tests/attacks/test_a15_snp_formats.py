"""A15: what a report or certificate says beyond what is known is refused, even when its key signed it."""

from __future__ import annotations

from typing import Any

import pytest
from attestation_protocol.errors import EvidenceFormatError
from attestation_protocol.evidence.snp_evidence import SnpEvidence
from tee_lab.snp import MUST_BE_ONE, certificate_table

from tests.unit.evidence_verifiers.snp_support import VERSIONS, judge, machine, refusals

RESERVED_OFFSETS = [0x03A, 0x04C, 0x182, 0x185, 0x18B, 0x1E2, 0x1EB, 0x1EF, 0x1F5, 0x208, 0x29F]
"""Bytes that must be zero, some of them within TCB versions."""


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("lie", "code"),
    [
        ({"policy": MUST_BE_ONE | 1 << 26}, "SNP-RESERVED"),
        ({"policy": 0}, "SNP-RESERVED"),
        ({"platform_info": 1 << 6}, "SNP-RESERVED"),
        ({"platform_info": 1 << 8}, "SNP-RESERVED"),
        ({"key_info": 2 << 2}, "SNP-RESERVED"),
        ({"key_info": 1 << 5}, "SNP-RESERVED"),
        ({"signature_algorithm": 2}, "SNP-ALGORITHM"),
    ],
)
def test_a15_signed_nonsense_is_refused(version: int, lie: dict[str, Any], code: str) -> None:
    assert refusals(machine().evidence(version=version, **lie)) == [code]


@pytest.mark.parametrize("version", [0, 1, 6, 7, 255])
def test_a15_signed_reports_of_other_versions_are_refused(version: int) -> None:
    evidence = machine().evidence()
    evidence["attestation_report"]["version"] = version
    assert refusals(evidence) == ["SNP-VERSION"]


@pytest.mark.parametrize("offset", RESERVED_OFFSETS)
def test_a15_signed_reserved_bytes_are_refused_in_the_generation_that_carries_them(offset: int) -> None:
    evidence = machine().evidence(generation="first", patches=((offset, b"\1"),))
    assert refusals(evidence) == ["SNP-RESERVED"]


@pytest.mark.parametrize("offset", RESERVED_OFFSETS)
def test_a15_reserved_bytes_that_json_drops_are_missed_by_the_signature(offset: int) -> None:
    evidence = machine().evidence(generation="second", patches=((offset, b"\1"),))
    assert refusals(evidence) == ["SNP-SIGNATURE"]


def test_a15_a_downgraded_version_does_not_hide_fields() -> None:
    """The same bytes under another version number: the signature covers it."""
    for version in VERSIONS:
        evidence = machine().evidence(version=version, generation="first", launch_mitigations=0, current_mitigations=0)
        for other in set(VERSIONS) - {version}:
            evidence["attestation_report"]["version"] = other
            assert refusals(evidence) in (["SNP-SIGNATURE"], ["SNP-RESERVED"], ["SNP-CPU"])


def test_a15_known_bits_of_later_revisions_are_taken() -> None:
    evidence = machine().evidence(policy=MUST_BE_ONE | 0x3F << 20, platform_info=0xBF)
    assert judge(evidence).claims is not None


@pytest.mark.parametrize(
    "certificate",
    [b"", b"\x30\x03\x02\x01\x00", machine().vcek()[:-1], machine().vcek() + b"\0", b"-----BEGIN CERTIFICATE-----\n"],
)
def test_a15_malformed_certificates_in_the_chain_are_refused(certificate: bytes) -> None:
    assert refusals(machine().evidence(certificates={"VCEK": certificate})) == ["SNP-CERTIFICATE"]


def test_a15_a_table_behind_a_report_is_as_good_as_json() -> None:
    binary = machine().report() + certificate_table([("VCEK", machine().vcek())])
    assert judge(SnpEvidence.parse_binary(binary)).cause is None
    for damaged in (binary[:-1], binary[:1184] + b"\0", binary[:1184] + binary[1184:1208]):
        with pytest.raises(EvidenceFormatError) as refused:
            SnpEvidence.parse_binary(damaged)
        assert refused.value.code == "SNP-TABLE"


def test_a15_two_keys_of_one_kind_are_refused() -> None:
    evidence = machine().evidence()
    evidence["cert_chain"] *= 2
    assert refusals(evidence) == ["SNP-CHAIN"]
