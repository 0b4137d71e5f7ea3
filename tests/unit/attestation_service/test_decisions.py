"""The record of a decision as the operator's log shows it."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from attestation_protocol.ear import Tier
from attestation_protocol.tee import Tee
from attestation_service.decisions import DecisionRecord, EvidenceDecision, log_decision
from evidence_verifiers.contract import Check

if TYPE_CHECKING:
    import pytest

NOW = datetime(2026, 11, 22, tzinfo=UTC)
CHECK = Check("X-BOUND", "report data as expected", "section 2")


def fields(record: logging.LogRecord) -> dict[str, Any]:
    found: dict[str, Any] = next(value for value in vars(record).values() if isinstance(value, dict))
    return found


def test_an_issued_token_is_one_event(caplog: pytest.LogCaptureFixture) -> None:
    passed = CHECK.made(passed=True, wanted="aa", got="aa")
    decision = EvidenceDecision(Tee.SNP, (passed,), "cpu0", "default_cpu", "ab" * 48, Tier.WARNING)
    with caplog.at_level(logging.INFO, "as.decisions"):
        log_decision(DecisionRecord(NOW, (decision,)))
    (record,) = caplog.records
    assert (record.levelname, record.name, record.getMessage()) == ("INFO", "as.decisions", "token issued")
    assert fields(record) == {"submodules": "cpu0 snp warning", "policies": "default_cpu abababababababab"}


def test_a_refusal_names_each_failed_check_with_wanted_and_got(caplog: pytest.LogCaptureFixture) -> None:
    findings = (CHECK.made(passed=True, wanted="1", got="1"), CHECK.made(passed=False, wanted="aa", got="bb"))
    log_decision(DecisionRecord(NOW, (EvidenceDecision(Tee.SNP, findings),), "X-BOUND", "refused"))
    check, decision = caplog.records
    assert fields(check) == {
        "tee": Tee.SNP,
        "code": "X-BOUND",
        "what": "report data as expected",
        "wanted": "aa",
        "got": "bb",
    }
    assert (decision.levelname, decision.getMessage()) == ("WARNING", "no token")
    assert fields(decision) == {"code": "X-BOUND", "reason": "refused", "tees": "snp"}


def test_a_refusal_without_evidence_says_so(caplog: pytest.LogCaptureFixture) -> None:
    record = DecisionRecord(NOW, (), "AS-NO-EVIDENCE", "none")
    log_decision(record)
    assert not record.issued
    assert fields(caplog.records[0])["tees"] == "none"


def test_several_pieces_of_evidence_stand_in_one_event(caplog: pytest.LogCaptureFixture) -> None:
    decisions = (
        EvidenceDecision(Tee.SNP, (), "cpu0", "default_cpu", "ab" * 48, Tier.AFFIRMING),
        EvidenceDecision(Tee.SAMPLE, (), "gpu0", "default_gpu", "cd" * 48, Tier.NONE),
    )
    with caplog.at_level(logging.INFO, "as.decisions"):
        log_decision(DecisionRecord(NOW, decisions))
    assert [fields(record) for record in caplog.records] == [
        {
            "submodules": "cpu0 snp affirming, gpu0 sample none",
            "policies": "default_cpu abababababababab, default_gpu cdcdcdcdcdcdcdcd",
        }
    ]
