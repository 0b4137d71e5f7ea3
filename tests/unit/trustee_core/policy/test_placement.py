"""Where a policy is evaluated."""

from __future__ import annotations

import json

import pytest
from trustee_core.policy.compiled import CompiledPolicy
from trustee_core.policy.contract import PolicyParseError, PolicyRefusedError
from trustee_core.policy.placement import (
    MAX_DOCUMENTS,
    MAX_TEXT,
    ThreadPolicy,
    TooLongError,
    why_not_on_a_thread,
)

from tests.conformance.policies import policies
from tests.unit.trustee_core.policy.endless import ENDLESS, JOIN, WALKING
from tests.unit.trustee_core.policy.evaluation import HEAD

SHIPPED = {origin: text for origin, text in policies().items() if origin.startswith(("host/as", "host/kbs"))}


@pytest.mark.parametrize("origin", SHIPPED)
def test_the_policies_that_we_ship_are_evaluated_on_the_thread(origin: str) -> None:
    evidence = {"tdx": {"uefi_event_logs": [{"digests": [{"alg": "SHA-384", "digest": "00" * 48}], "index": 1}] * 150}}
    assert ThreadPolicy(SHIPPED[origin]).takes(json.dumps(evidence).encode(), b"{}")


def test_policies_as_operators_write_them_are_evaluated_on_the_thread() -> None:
    text = (
        HEAD
        + """
import data.plugin

default allow := false

path := concat("/", data["resource-path"])

parts := split(path, "/")

tenants := {"acme": ["sha256:aa", "sha256:bb"], "other": ["sha256:cc"]}

allow if {
    plugin == "resource"
    count(parts) == 3
    some name, digests in tenants
    startswith(path, sprintf("%s/", [name]))
    every _, submodule in input.submods {
        submodule["ear.status"] in {"affirming", "warning"}
        evidence := submodule["ear.veraison.annotated-evidence"]
        evidence.init_data in digests
        regex.match("^[0-9a-f]{64}$", evidence.init_data)
    }
    some sm
    input.submods[sm]["ear.trustworthiness-vector"].hardware == 2
    time.now_ns() / 1000000000 < input.exp
}
"""
    )
    assert why_not_on_a_thread(text, CompiledPolicy(text)) == ""
    token = {"exp": 1, "submods": {f"gpu{n}": {"ear.status": "affirming", "claims": [1] * 20} for n in range(9)}}
    assert ThreadPolicy(text).takes(json.dumps(token).encode(), b'{"plugin": "resource", "resource-path": ["a", "b"]}')


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (ENDLESS, "computes too much whatever the input is"),
        (WALKING, "no bound for walk"),
        (HEAD + "# " + "x" * MAX_TEXT, "more than 32768 characters"),
        (HEAD + "x := [" + ("[" * 11 + "1" + "]" * 11 + ",\n") * 10 + "1]", "nested too deep"),
    ],
)
def test_a31_other_policies_are_not(text: str, why: str) -> None:
    with pytest.raises(TooLongError, match=why):
        ThreadPolicy(text)
    assert why in why_not_on_a_thread(text, CompiledPolicy(text))


def test_a31_a_policy_is_on_the_thread_as_long_as_its_input_is_small() -> None:
    def tokens(count: int) -> bytes:
        return json.dumps({"a": [{"x": 1}] * count}).encode()

    policy = ThreadPolicy(JOIN)
    assert [policy.takes(tokens(count), b"") for count in (0, 2, 5, 50, 500, 5_000)] == [True] * 3 + [False] * 3
    assert [policy.takes(b"{}", tokens(count)) for count in (5, 500)] == [True, False]
    small = ThreadPolicy(HEAD + "allow := true")
    assert small.takes(b'"' + b"x" * (MAX_DOCUMENTS - 2) + b'"', b"")
    assert not small.takes(b'"' + b"x" * (MAX_DOCUMENTS - 2) + b'"', b"{")


@pytest.mark.parametrize(
    ("text", "kind"), [("nonsense", PolicyParseError), (HEAD + "a := rand.intn(`a`, 1)", PolicyRefusedError)]
)
def test_what_is_no_policy_is_refused_as_ever(text: str, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        ThreadPolicy(text)
