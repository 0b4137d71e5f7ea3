"""The verifier of evidence from a sample device, which proves as little as its CPU's does (see `sample`).

Its report data is compared in the same way; it has no init-data, and fewer claims.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attestation_protocol.encoding import b64std_encode
from attestation_protocol.evidence.sample import SampleEvidence
from attestation_protocol.tee import Tee

from evidence_verifiers.contract import Expected, NoFloors, Verdict, Verifier
from evidence_verifiers.sample import CHECKS, check_report_data, requirements

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


def verify(
    evidence: SampleEvidence,
    _endorsements: Mapping[str, bytes],
    expected: Expected,
    _floors: NoFloors,
    _now: datetime,
) -> Verdict:
    """Compare the report data. Pure; raises nothing."""
    findings = check_report_data(evidence, expected)
    if not all(finding.passed for finding in findings):
        return Verdict(findings, None)
    return Verdict(findings, {"svn": evidence.svn, "report_data": b64std_encode(evidence.report_data)})


VERIFIER: Final = Verifier(
    tee=Tee.SAMPLE_DEVICE,
    tee_class="gpu",
    checks=CHECKS,
    parse=SampleEvidence.parse,
    requirements=requirements,
    verify=verify,
    floors=NoFloors,
)
