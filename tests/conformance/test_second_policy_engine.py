"""Policies mean the same to an engine of another make (rego-cpp), so that the engine can be replaced.

All policies of the repository and of the recordings are held against it, with tokens and with evidence for input; the
default policies also with every claim that they may meet missing or odd.
"""

from __future__ import annotations

import json
from importlib import resources
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import key_broker_service
import pytest
from attestation_service.appraisal import RULES
from trustee_core.policy.contract import PolicyError, PolicyEvaluationError
from trustee_core.policy.guard import PRIVATE_NAME

from tests.conformance.policies import policies, rules
from tests.conformance.second_engine import GUARD, SecondEngine
from tests.unit.attestation_service.test_default_policies import CASES, at, changed, good, leaves, text
from tests.unit.trustee_core.policy.evaluation import ALLOW, compiled, decide

if TYPE_CHECKING:
    from collections.abc import Iterator

if find_spec("regopy") is None:
    pytest.skip("regopy, the second policy engine, is not installed", allow_module_level=True)

EMPTY: dict[str, Any] = {"submods": {}}
TOKENS: list[Any] = [
    {},
    EMPTY,
    {"submods": None},
    {"submods": [{"ear.status": "affirming"}]},
    *({"submods": {"cpu0": {"ear.status": status}}} for status in ("affirming", "warning", "none", "", None, 2)),
    {"submods": {"cpu0": {"ear.status": "affirming"}, "gpu0": {"ear.status": "warning"}}},
    {"submods": {"cpu0": {"ear.status": "affirming"}, "gpu0": {"ear.status": "contraindicated"}}},
    {"submods": {"cpu0": {"ear.status": "affirming"}, "gpu0": {}}},
]


@pytest.fixture(scope="module")
def second() -> Iterator[SecondEngine]:
    with SecondEngine() as engine:
        yield engine


def test_the_guard_of_the_second_engine_is_the_same_but_for_its_source() -> None:
    assert PRIVATE_NAME not in GUARD
    assert GUARD.count("data.reference_values[id]") == 1


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("with_values", [True, False])
def test_good_evidence_means_the_same(second: SecondEngine, name: str, with_values: bool) -> None:  # noqa: FBT001
    policy, claims, values = good(name)
    known = values if with_values else {}
    for rule in RULES:
        ours = decide(text(policy), rule, claims=claims, values=known)
        assert second.value(text(policy), rule, claims, {"reference_values": known}) == ours


@pytest.mark.parametrize("name", ["sample", "snp", "tpm", "az-tdx-vtpm"])
@pytest.mark.parametrize("other", [..., None, "", 0, "3"])
def test_evidence_that_lacks_something_means_the_same(second: SecondEngine, name: str, other: Any) -> None:
    policy, claims, values = good(name)
    for path in leaves(claims):
        if other == at(claims, path):
            continue
        odd = changed(claims, path, other)
        ours = decide(text(policy), RULES[0], claims=odd, values=values)
        assert second.value(text(policy), RULES[0], odd, {"reference_values": values}) == ours, path


@pytest.mark.parametrize("name", ["default", "allow_all", "deny_all", "affirming"])
@pytest.mark.parametrize("plugin", ["resource", "sample"])
def test_tokens_mean_the_same(second: SecondEngine, name: str, plugin: str) -> None:
    policy = resources.files(key_broker_service).joinpath("policies", f"{name}.rego").read_text()
    data = {"plugin": plugin, "resource-path": ["a", "b", "c"], "query": {}}
    for claims in TOKENS:
        assert second.value(policy, ALLOW, claims, data) == decide(policy, ALLOW, claims=claims, data=data), claims


POLICIES = policies()
INPUTS = [*TOKENS, *(good(name)[1] for name in CASES)]
DATA = {"plugin": "resource", "resource-path": ["team", "key", "1"], "query": {"a": "b"}}
VALUES = {name: value for case in CASES for name, value in good(case)[2].items()}


def accepted(policy: str) -> bool:
    try:
        compiled(policy)
    except PolicyError:
        return False
    return True


def unordered(values: dict[str, Any]) -> dict[str, Any]:
    """Arrays without their order: with two loops in one comprehension, the other engine turns the outer one faster."""
    return {
        rule: sorted(json.dumps(item, sort_keys=True) for item in value) if isinstance(value, list) else value
        for rule, value in values.items()
    }


def test_there_are_policies_of_all_kinds() -> None:
    origins = {origin.split("/")[0] for origin in POLICIES if accepted(POLICIES[origin])}
    assert origins == {"host", "docs", "deploy", "tests"}
    assert sum("/wire/" in origin for origin in POLICIES) >= 3


@pytest.mark.parametrize("origin", POLICIES)
def test_every_policy_means_the_same(second: SecondEngine, origin: str) -> None:
    policy = POLICIES[origin]
    if not accepted(policy):
        return
    names = rules(policy)
    for claims in INPUTS:
        try:
            ours = {rule: decide(policy, rule, claims=claims, data=DATA, values=VALUES) for rule in names}
        except PolicyEvaluationError:
            continue  # an error denies; the other engine has undefined for most of them
        theirs = second.values(policy, names, claims, DATA | {"reference_values": VALUES})
        assert unordered(theirs) == unordered(ours), claims
