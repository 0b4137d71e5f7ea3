"""Sample evidence is compared, never believed: report data exactly, init-data not at all."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from attestation_protocol.evidence.sample import SampleEvidence
from evidence_verifiers.contract import Expected, NoFloors, Verdict, Verifier
from evidence_verifiers.sample import VERIFIER
from evidence_verifiers.sample_device import VERIFIER as DEVICE_VERIFIER

EVIDENCE = SampleEvidence("1", b"\xaa" * 48)
Sample = Verifier[SampleEvidence, NoFloors]


def verdict(verifier: Sample, report_data: bytes | None = None, init_data: bytes | None = None) -> Verdict:
    expected = Expected(report_data, init_data)
    return verifier.verify(EVIDENCE, {}, expected, NoFloors(), datetime(2026, 1, 1, tzinfo=UTC))


def test_the_claims_are_those_that_policies_know() -> None:
    assert verdict(VERIFIER).claims == {
        "svn": "1",
        "report_data": "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq",
        "launch_digest": "abcde",
        "platform_version": {"major": 1, "minor": 4},
        "debug": False,
    }


def test_a_device_has_fewer_claims() -> None:
    assert verdict(DEVICE_VERIFIER, init_data=b"digest").claims == {
        "svn": "1",
        "report_data": "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq",
    }


def test_init_data_is_repeated_as_a_claim_and_not_compared() -> None:
    claims = verdict(VERIFIER, init_data=b"digest").claims
    assert claims is not None
    assert claims["init_data"] == "ZGlnZXN0"


@pytest.mark.parametrize("verifier", [VERIFIER, DEVICE_VERIFIER])
def test_report_data_is_compared_when_it_is_expected(verifier: Sample) -> None:
    accepted = verdict(verifier, b"\xaa" * 48)
    assert [(f.check.code, f.passed) for f in accepted.findings] == [("SAMPLE-REPORT-DATA", True)]
    assert accepted.claims is not None
    assert verdict(verifier).findings == ()


@pytest.mark.parametrize("verifier", [VERIFIER, DEVICE_VERIFIER])
@pytest.mark.parametrize("wrong", [b"", b"\xaa" * 47, b"\xaa" * 48 + b"\0", b"\xaa" * 47 + b"\xab"])
def test_a04_report_data_is_compared_exactly_without_padding(verifier: Sample, wrong: bytes) -> None:
    refused = verdict(verifier, wrong)
    assert refused.claims is None
    assert refused.cause is not None
    assert (refused.cause.check.code, refused.cause.got) == ("SAMPLE-REPORT-DATA", "aa" * 48)


@pytest.mark.parametrize("verifier", [VERIFIER, DEVICE_VERIFIER])
def test_nothing_endorses_sample_evidence(verifier: Sample) -> None:
    assert verifier.requirements(EVIDENCE) == ()
