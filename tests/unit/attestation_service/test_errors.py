"""The error tree: codes that never change, and what each error carries."""

from __future__ import annotations

import pytest
from attestation_protocol.tee import Tee
from attestation_service import errors
from evidence_verifiers.contract import Check

SIGNED = Check("X-SIGNED", "report signed", "section 1")
BOUND = Check("X-BOUND", "report data as expected", "section 2")


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.AttestationServiceError, "AS"),
        (errors.RequestError, "AS-REQUEST"),
        (errors.BodyError, "AS-BODY"),
        (errors.EndorsementUnavailableError, "AS-ENDORSEMENT-UNAVAILABLE"),
        (errors.NoPolicyError, "AS-NO-POLICY"),
        (errors.AttestationPolicyError, "AS-POLICY"),
        (errors.AppraisalError, "AS-APPRAISAL"),
        (errors.ReferenceValueError, "AS-REFERENCE-VALUE"),
    ],
)
def test_each_kind_has_its_code(kind: type[errors.AttestationServiceError], code: str) -> None:
    error = kind("what happened")
    assert error.code == code
    assert error.layers == ("what happened",)
    assert str(error) == f"what happened [{code}]"
    assert issubclass(kind, errors.AttestationServiceError)


def test_layers_are_kept_outermost_first() -> None:
    assert errors.RequestError("m", layers=["outer", "inner"]).layers == ("outer", "inner")


def test_a_body_error_says_whether_the_body_was_read() -> None:
    assert not errors.BodyError("m").unread
    assert errors.BodyError("m", unread=True).unread


def test_refused_evidence_holds_all_findings_and_the_failed_codes() -> None:
    findings = [
        SIGNED.made(passed=True, wanted="valid", got="valid"),
        BOUND.made(passed=False, wanted="aa", got="bb"),
        SIGNED.made(passed=False, wanted="valid", got="not valid"),
    ]
    error = errors.EvidenceRefusedError("refused", tee=Tee.SNP, code="X-BOUND", findings=findings)
    assert error.findings == tuple(findings)
    assert error.codes == ("X-BOUND", "X-SIGNED")
    assert "aa" not in str(error)
    assert "bb" not in str(error)


def test_evidence_that_could_not_be_read_has_the_parsers_code() -> None:
    error = errors.EvidenceRefusedError("refused", tee=Tee.SNP, code="SNP-JSON")
    assert error.codes == ("SNP-JSON",)
    assert error.findings == ()
