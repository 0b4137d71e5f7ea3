"""The verifier of sample evidence, which proves nothing. It exists so that the flow can be tried without hardware.

What it compares is what a guest without hardware made up itself. Nothing is released on its verdicts unless a switch
named `insecure_…` says so; the service that releases secrets sees to that.

Rules: report data equals what the relying party expects, exactly, without padding. Init-data is not compared, since
nothing could bind it; it is only repeated as a claim.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attestation_protocol.encoding import b64std_encode
from attestation_protocol.evidence.sample import SampleEvidence
from attestation_protocol.tee import Tee

from evidence_verifiers.contract import Check, Expected, Finding, NoFloors, Verdict, Verifier

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from evidence_verifiers.contract import EndorsementRequest

REPORT_DATA: Final = Check("SAMPLE-REPORT-DATA", "report data as expected", "none: sample evidence")
CHECKS: Final = (REPORT_DATA,)


def requirements(_evidence: SampleEvidence) -> tuple[EndorsementRequest, ...]:
    """Nothing endorses sample evidence."""
    return ()


def verify(
    evidence: SampleEvidence,
    _endorsements: Mapping[str, bytes],
    expected: Expected,
    _floors: NoFloors,
    _now: datetime,
) -> Verdict:
    """Compare the report data. Pure; raises nothing."""
    findings = check_report_data(evidence, expected)
    for finding in findings:
        if not finding.passed:
            return Verdict(findings, None)
    claims: dict[str, Any] = {
        "svn": evidence.svn,
        "report_data": b64std_encode(evidence.report_data),
        "launch_digest": "abcde",
        "platform_version": {"major": 1, "minor": 4},
        "debug": False,
    }
    if expected.init_data is not None:
        claims["init_data"] = b64std_encode(expected.init_data)
    return Verdict(findings, claims)


def check_report_data(evidence: SampleEvidence, expected: Expected) -> tuple[Finding, ...]:
    """Compare the report data exactly, if the relying party asks."""
    wanted, got = expected.report_data, evidence.report_data
    return () if wanted is None else (REPORT_DATA.made(passed=wanted == got, wanted=wanted.hex(), got=got.hex()),)


VERIFIER: Final = Verifier(
    tee=Tee.SAMPLE,
    tee_class="cpu",
    checks=CHECKS,
    parse=SampleEvidence.parse,
    requirements=requirements,
    verify=verify,
    floors=NoFloors,
)
