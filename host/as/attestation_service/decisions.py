"""The record of a decision: one for each appraisal, whatever came of it.

It says what was asked, every check with what it wanted and got, which policy decided and by which text, and what came
of it. Nothing in it is secret. Callers are told codes; the record is for the operator and the auditor. By default it
goes to the log, under `as.decisions`: one event for the appraisal, and a warning for each check that failed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attestack_common.logs import get_logger
from attestation_protocol.records import Record

if TYPE_CHECKING:
    from datetime import datetime

    from attestation_protocol.ear import Tier
    from attestation_protocol.tee import Tee
    from evidence_verifiers.contract import Finding

_LOG: Final = get_logger("as.decisions")


class EvidenceDecision(Record, frozen=True):
    """What came of one piece of evidence."""

    tee: Tee
    findings: tuple[Finding, ...] = ()
    """Every check that was made, in order; none when the evidence could not be read."""
    submodule: str = ""
    policy_id: str = ""
    """With its class, as it is stored."""
    policy_hash: str = ""
    """SHA-384 of the policy's text, lower-case hex."""
    status: Tier | None = None
    """None: there was no appraisal."""


class DecisionRecord(Record, frozen=True):
    """What came of one request. `code` is empty when a token was issued, and says why not otherwise."""

    decided_at: datetime
    evidence: tuple[EvidenceDecision, ...] = ()
    code: str = ""
    reason: str = ""

    @property
    def issued(self) -> bool:
        """Whether a token was issued."""
        return not self.code


def log_decision(record: DecisionRecord) -> None:
    """Write a record to the log."""
    for decision in record.evidence:
        for finding in decision.findings:
            if not finding.passed:
                _LOG.warning(
                    "check failed",
                    tee=decision.tee,
                    code=finding.check.code,
                    what=finding.check.what,
                    wanted=finding.wanted,
                    got=finding.got,
                )
    if record.issued:
        _LOG.info(
            "token issued",
            submodules=", ".join([f"{each.submodule} {each.tee} {each.status}" for each in record.evidence]),
            policies=", ".join([f"{each.policy_id} {each.policy_hash[:16]}" for each in record.evidence]),
        )
    else:
        _LOG.warning(
            "no token",
            code=record.code,
            reason=record.reason,
            tees=", ".join(each.tee for each in record.evidence) or "none",
        )
