"""A verdict, for people and for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from attestation_protocol.tee import Tee
    from evidence_verifiers.contract import Expected, Finding, Verdict


def verdict_as_json(tee: Tee, verdict: Verdict, at: datetime) -> str:
    """Write a verdict as a JSON document: `accepted`, `findings` in order, and `claims`, null when it was refused."""
    document = {
        "tee": tee.value,
        "at": at.isoformat(),
        "accepted": verdict.claims is not None,
        "findings": [
            {
                "code": finding.check.code,
                "what": finding.check.what,
                "specification": finding.check.specification,
                "passed": finding.passed,
                "wanted": finding.wanted,
                "got": finding.got,
            }
            for finding in verdict.findings
        ],
        "claims": verdict.claims,
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def verdict_as_text(tee: Tee, verdict: Verdict, expected: Expected) -> str:
    """Write a verdict as text: one finding after the other, the claims if there are any, and the outcome last."""
    lines = [line for finding in verdict.findings for line in _finding_lines(finding)]
    if verdict.claims is not None:
        lines += ["", "claims", *(f"  {name:<26} {_value(value)}" for name, value in sorted(verdict.claims.items()))]
    bindings = {"report data": expected.report_data, "init-data": expected.init_data}
    unbound = [name for name, value in bindings.items() if value is None]
    if unbound:
        lines += ["", f"not compared, since none was given: {', '.join(unbound)}"]
    codes = dict.fromkeys(finding.check.code for finding in verdict.failed)
    outcome = "accepted" if verdict.claims is not None else f"refused: {', '.join(codes)}"
    return "\n".join([*lines, "", f"{tee}: {outcome}"])


def _finding_lines(finding: Finding) -> Iterator[str]:
    yield f"{'ok' if finding.passed else 'FAIL':<5} {finding.check.code:<20} {finding.check.what}"
    if finding.wanted == finding.got:
        yield f"{'':<26} {finding.got}"
    else:
        yield f"{'':<26} wanted {finding.wanted}"
        yield f"{'':<26} got    {finding.got}"


def _value(value: Any) -> str:  # noqa: ANN401  # a claim is any JSON value
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
