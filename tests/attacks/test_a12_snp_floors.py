"""A12: a debug guest, a migration agent or a low privilege level is refused, well signed as it is, unless allowed."""

from __future__ import annotations

from typing import Any

import pytest
from evidence_verifiers.snp import SnpFloors
from tee_lab.snp import DEBUG, MIGRATE_MA, MUST_BE_ONE, SMT

from tests.unit.evidence_verifiers.snp_support import LINES, judge, machine, refusals

ALLOW_ALL_ELSE: dict[str, dict[str, Any]] = {
    "SNP-DEBUG": {"max_vmpl": 3, "allow_migration": True, "allow_masked_chip_id": True},
    "SNP-MIGRATION": {"max_vmpl": 3, "allow_debug": True, "allow_masked_chip_id": True},
    "SNP-VMPL": {"allow_debug": True, "allow_migration": True, "allow_masked_chip_id": True},
}
HOST = 0xFFFFFFFF
"""The privilege level in a report that the host asked for."""


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize(
    ("code", "lie", "allowance"),
    [
        ("SNP-DEBUG", {"policy": MUST_BE_ONE | DEBUG}, {"allow_debug": True}),
        ("SNP-MIGRATION", {"policy": MUST_BE_ONE | MIGRATE_MA}, {"allow_migration": True}),
        ("SNP-VMPL", {"vmpl": 1}, {"max_vmpl": 1}),
        ("SNP-VMPL", {"vmpl": 3}, {"max_vmpl": 3}),
    ],
)
def test_a12_a_breach_of_a_floor_is_refused_unless_named(
    line: Any, code: str, lie: dict[str, Any], allowance: dict[str, Any]
) -> None:
    evidence = machine(line).evidence(**lie)
    assert refusals(evidence) == [code]
    assert refusals(evidence, floors=SnpFloors(**ALLOW_ALL_ELSE[code])) == [code]
    assert judge(evidence, floors=SnpFloors(**allowance)).claims is not None


@pytest.mark.parametrize("vmpl", [1, 2, 3, 4, HOST])
def test_a12_vmpl_above_the_floor_is_refused(vmpl: int) -> None:
    for highest in range(min(vmpl, 4)):
        assert refusals(machine().evidence(vmpl=vmpl), floors=SnpFloors(max_vmpl=highest)) == ["SNP-VMPL"]


def test_a12_a_report_that_the_host_asked_for_is_never_accepted() -> None:
    assert refusals(machine().evidence(vmpl=HOST), floors=SnpFloors(max_vmpl=3)) == ["SNP-VMPL"]


def test_a12_smt_is_for_policies_and_the_claim_says_it() -> None:
    for policy, platform in ((MUST_BE_ONE, 0), (MUST_BE_ONE | SMT, 1)):
        claims = judge(machine().evidence(policy=policy, platform_info=platform)).claims
        assert claims is not None
        assert (claims["policy_smt_allowed"], claims["platform_smt_enabled"]) == (policy != MUST_BE_ONE, bool(platform))


def test_a12_the_floors_hold_for_vleks_too() -> None:
    evidence = machine().evidence(key_info=1 << 2, policy=MUST_BE_ONE | DEBUG | MIGRATE_MA, vmpl=2)
    assert refusals(evidence) == ["SNP-VMPL", "SNP-DEBUG", "SNP-MIGRATION"]
