"""A14: the TCB version that counts is the reported one; it is the key's, all of it, and what policies see."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from tee_lab.snp import tcb
from tee_lab.snp_certificates import Levels, Line

from tests.unit.evidence_verifiers.snp_support import LINES, judge, machine, refusals


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("part", ["bootloader", "tee", "snp", "microcode", "fmc"])
@pytest.mark.parametrize("step", [-1, 1])
def test_a14_each_level_equals_the_keys(line: Line, part: str, step: int) -> None:
    levels = machine(line).levels
    other = dataclasses.replace(levels, **{part: getattr(levels, part) + step})
    evidence = machine(line).evidence(certificates={"VCEK": machine(line).vcek(levels=other)})
    assert refusals(evidence) == ([] if part == "fmc" and line != "Turin" else ["SNP-TCB"])


def test_a14_a_vlek_has_a_tcb_too() -> None:
    vlek = machine().vlek(levels=Levels(snp=1))
    assert refusals(machine().evidence(certificates={"VLEK": vlek}, key_info=1 << 2)) == ["SNP-TCB"]


@pytest.mark.parametrize("field", ["current_tcb", "committed_tcb", "launch_tcb"])
@pytest.mark.parametrize("line", LINES)
def test_a14_the_other_tcb_versions_are_no_substitute(line: Line, field: str) -> None:
    """The key is for the current, committed or launch version, and the reported one is an older one."""
    newer = Levels(bootloader=9, tee=9, snp=99, microcode=250, fmc=9)
    lie: dict[str, Any] = {field: tcb(line, newer)}
    evidence = machine(line).evidence(certificates={"VCEK": machine(line).vcek(levels=newer)}, **lie)
    assert refusals(evidence) == ["SNP-TCB"]


def test_a14_policies_see_the_reported_version() -> None:
    newer = tcb("Milan", Levels(bootloader=9, tee=9, snp=99, microcode=250))
    claims = judge(machine().evidence(current_tcb=newer, committed_tcb=newer, launch_tcb=newer)).claims
    assert claims is not None
    assert {name: value for name, value in claims.items() if name.startswith("reported_tcb")} == {
        "reported_tcb_bootloader": 4,
        "reported_tcb_tee": 1,
        "reported_tcb_snp": 22,
        "reported_tcb_microcode": 213,
    }


def test_a14_an_older_version_with_its_own_key_is_told_as_it_is() -> None:
    """A rollback is honest evidence of old firmware: the reference values of policies refuse it, by these claims."""
    old = dataclasses.replace(machine(), levels=Levels(bootloader=2, tee=0, snp=5, microcode=68))
    claims = judge(old.evidence()).claims
    assert claims is not None
    assert (claims["reported_tcb_bootloader"], claims["reported_tcb_snp"], claims["reported_tcb_microcode"]) == (
        2,
        5,
        68,
    )
