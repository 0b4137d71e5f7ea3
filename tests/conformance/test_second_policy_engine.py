"""Our policies mean the same to an engine of another make (rego-cpp), so that the engine can be replaced.

The guard's module is here with reference values as data, since that engine takes no functions from its host.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any

import key_broker_service
import pytest
from attestation_service.appraisal import RULES
from trustee_core.policy.contract import UNDEFINED
from trustee_core.policy.guard import MODULE, PRIVATE_NAME

from tests.unit.attestation_service.test_default_policies import CASES, at, changed, good, leaves, text
from tests.unit.trustee_core.policy.evaluation import ALLOW, decide

if TYPE_CHECKING:
    from collections.abc import Mapping

regopy = pytest.importorskip("regopy", reason="regopy, the second policy engine, is not installed")

GUARD = MODULE.replace(f"{PRIVATE_NAME}(id)", "data.reference_values[id]")
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


def second(policy: str, rule: str, claims: Any, data: Mapping[str, Any]) -> Any:
    """What the second engine says."""
    interpreter = regopy.Interpreter()
    interpreter.add_module("guard", GUARD)
    interpreter.add_module("policy", policy)
    interpreter.add_data(dict(data))
    interpreter.set_input(claims)
    output = str(interpreter.query(f"value := {rule}"))  # bound to a name, since a bare false is told as undefined
    return UNDEFINED if output == "undefined" else json.loads(output)["bindings"]["value"]


def test_the_guard_of_the_second_engine_is_the_same_but_for_its_source() -> None:
    assert PRIVATE_NAME not in GUARD
    assert GUARD.count("data.reference_values[id]") == 1


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("with_values", [True, False])
def test_good_evidence_means_the_same(name: str, with_values: bool) -> None:  # noqa: FBT001
    policy, claims, values = good(name)
    known = values if with_values else {}
    for rule in RULES:
        ours = decide(text(policy), rule, claims=claims, values=known)
        assert second(text(policy), rule, claims, {"reference_values": known}) == ours


@pytest.mark.parametrize("name", ["sample", "snp", "tpm", "az-tdx-vtpm"])
@pytest.mark.parametrize("other", [..., None, "", 0, "3"])
def test_evidence_that_lacks_something_means_the_same(name: str, other: Any) -> None:
    policy, claims, values = good(name)
    for path in leaves(claims):
        if other == at(claims, path):
            continue
        odd = changed(claims, path, other)
        ours = decide(text(policy), RULES[0], claims=odd, values=values)
        assert second(text(policy), RULES[0], odd, {"reference_values": values}) == ours, path


@pytest.mark.parametrize("name", ["default", "allow_all", "deny_all", "affirming"])
@pytest.mark.parametrize("plugin", ["resource", "sample"])
def test_tokens_mean_the_same(name: str, plugin: str) -> None:
    policy = resources.files(key_broker_service).joinpath("policies", f"{name}.rego").read_text()
    data = {"plugin": plugin, "resource-path": ["a", "b", "c"], "query": {}}
    for claims in TOKENS:
        assert second(policy, ALLOW, claims, data) == decide(policy, ALLOW, claims=claims, data=data), claims
