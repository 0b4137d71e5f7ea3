"""What tests of the SNP verifier share: the lab's machines, their AMD as anchors, and verdicts in one call."""

from __future__ import annotations

import functools
import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, get_args

from attestation_protocol.errors import EvidenceFormatError
from attestation_protocol.evidence.snp import Product
from attestation_protocol.evidence.snp_evidence import SnpEvidence
from evidence_verifiers.contract import Expected, Verdict
from evidence_verifiers.snp import SnpFloors, verify
from evidence_verifiers.snp_certificates import Anchors
from tee_lab.snp import SnpMachine
from tee_lab.snp_certificates import Hierarchy, Line, hierarchy

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW: Final = datetime(2026, 1, 31, 12, tzinfo=UTC)
LINES: Final[tuple[Line, ...]] = get_args(Line)
VERSIONS: Final = (2, 3, 4, 5)


@functools.cache
def machine(line: Line = "Milan") -> SnpMachine:
    """One machine for each line: its keys are made once."""
    return SnpMachine.of(line)


def anchors_of(authorities: Hierarchy) -> Anchors:
    return Anchors.parse(
        hashlib.sha256(authorities.ark.certificate).hexdigest(),
        ark=authorities.ark.certificate,
        ask=authorities.ask.certificate,
        asvk=authorities.asvk.certificate,
    )


@functools.cache
def anchors() -> dict[Product, Anchors]:
    """The lab's AMD, trusted for all lines."""
    return {Product(line): anchors_of(hierarchy(line)) for line in LINES}


def judge(
    evidence: Mapping[str, Any] | SnpEvidence,
    *,
    endorsements: Mapping[str, bytes] | None = None,
    report_data: bytes | None = None,
    init_data: bytes | None = None,
    floors: SnpFloors | None = None,
    now: datetime = NOW,
) -> Verdict:
    """Verify under the lab's AMD, through JSON text. A verdict has claims exactly when nothing failed."""
    if not isinstance(evidence, SnpEvidence):
        evidence = SnpEvidence.parse(json.loads(json.dumps(evidence)))
    expected = Expected(report_data, init_data)
    verdict = verify(evidence, endorsements or {}, expected, floors or SnpFloors(), now, anchors())
    assert (verdict.claims is None) == bool(verdict.failed)
    return verdict


def refusals(evidence: Mapping[str, Any] | SnpEvidence, **options: Any) -> list[str]:
    """The codes of the checks that failed, the cause first; or of the parser, alone."""
    try:
        return [finding.check.code for finding in judge(evidence, **options).failed]
    except EvidenceFormatError as error:
        return [error.code]
