"""One compiled policy: its values, and that nothing of one evaluation is seen by the next."""

from __future__ import annotations

import gc
import hashlib
import json
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest
import regorus
from hypothesis import given, settings
from hypothesis import strategies as st
from trustee_core.policy.compiled import MAX_REFERENCE_VALUES, CompiledPolicy, builtins
from trustee_core.policy.contract import UNDEFINED, PolicyError, PolicyEvaluationError, PolicyParseError

from tests.conformance.recordings import http_recording
from tests.unit.trustee_core.policy.evaluation import ALLOW, HEAD, compiled, decide

if TYPE_CHECKING:
    from collections.abc import Callable

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def refused(text: str, **arguments: Any) -> PolicyError:
    with pytest.raises(PolicyError) as caught:
        decide(text, **arguments)
    return caught.value


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ('"<undefined>"', "<undefined>"),
        ('""', ""),
        ("3", 3),
        ("[1, null, {}]", [1, None, {}]),
        ('{"b": 1.5}', {"b": 1.5}),
        ("{3, 1}", [1, 3]),
        ("18446744073709551615", 18446744073709551615),
        ("{1: 2}", {"1": 2}),
    ],
)
def test_a_rule_gives_its_value_and_type(body: str, value: object) -> None:
    got = decide(f"{HEAD}allow := {body}")
    assert got == value
    assert type(got) is type(value)


def test_a_rule_that_is_there_and_undefined_is_told_from_one_that_is_absent() -> None:
    policy = compiled(HEAD + "allow if input.x")
    for _ in range(2):
        run = policy.run([ALLOW, "data.policy.other", "data.elsewhere.allow"], b"{}", b"", {})
        assert run.values == {ALLOW: UNDEFINED, "data.policy.other": UNDEFINED, "data.elsewhere.allow": UNDEFINED}
        assert run.absent == {"data.policy.other", "data.elsewhere.allow"}
    assert policy.run([ALLOW], b'{"x": 1}', b"", {}).absent == frozenset()
    assert repr(UNDEFINED) == "UNDEFINED"


def test_a_policy_of_another_package_has_no_rules_here() -> None:
    run = compiled("package other\nallow := true").run([ALLOW], b"{}", b"", {})
    assert run.values == {ALLOW: UNDEFINED}
    assert run.absent == {ALLOW}


def test_the_hash_is_that_of_the_text() -> None:
    assert compiled("package policy\n").policy_hash == hashlib.sha384(b"package policy\n").hexdigest()


def test_a_parse_error_reads_as_recorded() -> None:
    step = http_recording("kbs/resource-policy-bad").steps[0]
    recorded = step.response.json["detail"].removeprefix("Policy engine error: Failed to load policy: ")
    with pytest.raises(PolicyParseError) as caught:
        CompiledPolicy("package policy\nallow = {")
    assert caught.value.engine_text == recorded
    assert (caught.value.code, "backtrace" in str(caught.value)) == ("POLICY-PARSE", False)


def test_bodies_without_if_are_not_of_this_version() -> None:
    assert refused("package policy\nallow { true }").code == "POLICY-PARSE"
    assert decide("package policy\nallow if { true }") is True
    assert decide("package policy\nimport future.keywords.if\nallow if true") is True


def test_an_evaluation_error_has_the_engine_s_text_and_no_stack_trace() -> None:
    error = refused(HEAD + "allow := unknown(1)")
    assert isinstance(error, PolicyEvaluationError)
    assert (
        error.engine_text
        == "\n--> :3:17\n  |\n3 | allow := unknown(1)\n  |                 ^\nerror: could not find function unknown"
    )


def test_a_policy_evaluates_again_behind_an_error() -> None:
    text = HEAD + "allow := to_number(input.x)"
    assert refused(text, claims={"x": "a"}).code == "POLICY-EVALUATION"
    assert decide(text, claims={"x": "3"}) == 3


@pytest.mark.parametrize(
    ("claims", "data"),
    [
        (b"", b""),
        (b"{", b""),
        (b"\xff", b""),
        (b"[" * 200 + b"]" * 200, b""),
        (b"{}", b"["),
        (b"{}", b"[]"),
        (b"{}", b"\xff"),
        (b"{}", b'{"policy": {"allow": true}}'),
        (b"{}", b"[" * 100_000),
    ],
)
def test_input_and_data_that_are_not_what_they_should_be_are_refused(claims: bytes, data: bytes) -> None:
    policy = compiled(HEAD + "allow := true")
    with pytest.raises(PolicyEvaluationError):
        policy.run([ALLOW], claims, data, {})
    assert policy.run([ALLOW], b"{}", b"", {}).values == {ALLOW: True}


def test_data_of_a_refused_evaluation_does_not_stay() -> None:
    policy = compiled(HEAD + "allow := data.a")
    policy.run([ALLOW], b"{}", b'{"a": 1}', {})
    with pytest.raises(PolicyEvaluationError):
        policy.run([ALLOW], b"{}", b"[]", {})
    assert policy.run([ALLOW], b"{}", b"", {}).values == {ALLOW: UNDEFINED}


def test_data_is_replaced_and_not_merged() -> None:
    policy = compiled(HEAD + "allow := [object.get(data, name, 0) | some name in [`a`, `b`]]")
    seen = [policy.run([ALLOW], b"{}", data, {}).values[ALLOW] for data in (b'{"a": 1}', b'{"b": 2}', b"", b'{"a": 1}')]
    assert seen == [[1, 0], [0, 2], [0, 0], [1, 0]]


def test_input_is_replaced_and_not_merged() -> None:
    text = HEAD + "allow := [object.get(input, name, 0) | some name in [`a`, `b`]]"
    assert [decide(text, claims=claims) for claims in ({"a": 1}, {"b": 2}, {}, {"a": 1})] == [
        [1, 0],
        [0, 2],
        [0, 0],
        [1, 0],
    ]


class Listening:
    """An engine that counts what it is given."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.given: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name in {"set_input_json", "add_data_json", "clear_data"}:
            self.given.append(name)
        return getattr(self._engine, name)


def test_input_and_data_that_stay_are_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = CompiledPolicy(HEAD + "allow := [input.a, data.b, query_reference_value(`v`)]")
    engine = Listening(policy._engine)
    monkeypatch.setattr(policy, "_engine", engine)
    runs = [
        policy.run([ALLOW], claims, data, {"v": value}).values[ALLOW]
        for claims, data, value in (
            (b'{"a": 1}', b'{"b": 2}', 3),
            (b'{"a": 1}', b'{"b": 2}', 4),
            (b'{"a": 5}', b'{"b": 2}', 4),
            (b'{"a": 5}', b'{"b": 6}', 4),
        )
    ]
    assert runs == [[1, 2, 3], [1, 2, 4], [5, 2, 4], [5, 6, 4]]
    assert engine.given == ["clear_data", "add_data_json", "set_input_json", "set_input_json", *engine.given[:2]]


@pytest.mark.parametrize("refused_claims", [b"", b"{", b"\xff"])
def test_input_of_before_does_not_stand_in_for_one_that_is_refused(refused_claims: bytes) -> None:
    policy = CompiledPolicy(HEAD + "allow := input.a")
    assert policy.run([ALLOW], b'{"a": 1}', b"", {}).values == {ALLOW: 1}
    for _ in range(2):
        with pytest.raises(PolicyEvaluationError):
            policy.run([ALLOW], refused_claims, b"", {})
    assert policy.run([ALLOW], b'{"a": 1}', b"", {}).values == {ALLOW: 1}


def test_input_is_read_again_behind_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = CompiledPolicy(HEAD + "allow := to_number(query_reference_value(`v`))")
    engine = Listening(policy._engine)
    monkeypatch.setattr(policy, "_engine", engine)
    with pytest.raises(PolicyEvaluationError):
        policy.run([ALLOW], b"{}", b"", {"v": "a"})
    assert policy.run([ALLOW], b"{}", b"", {"v": "3"}).values == {ALLOW: 3}
    assert engine.given == ["set_input_json", "set_input_json"]


LEAK = (
    HEAD
    + """
allow := [input, object.get(data, "d", null), helper, stored, listed]
helper := object.get(input, "x", null)
stored := query_reference_value("v")
default listed := "none"
listed := value if value := data.d.e
default stored := "missing"
"""
)


@settings(max_examples=50)
@given(st.lists(st.tuples(JSON, JSON, JSON), min_size=2, max_size=4))
def test_a37_no_evaluation_sees_another_one(evaluations: list[tuple[Any, Any, Any]]) -> None:
    text = LEAK.replace('object.get(input, "x", null)', "[input]")
    used = compiled(text)
    for claims, item, stored in evaluations:
        arguments = ([ALLOW], json.dumps(claims).encode(), json.dumps({"d": item}).encode(), {"v": stored})
        assert used.run(*arguments).values == CompiledPolicy(text).run(*arguments).values


@pytest.mark.parametrize(
    "value", [True, False, 0, 1, -1, 1.5, 2**62, 2**64 - 1, "x", "", "null", [], {}, [None, {"a": [0.5]}]]
)
def test_a_reference_value_keeps_its_type(value: Any) -> None:
    got = decide(HEAD + 'allow := query_reference_value("v")', values={"v": value})
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize("values", [{}, {"v": None}])
@pytest.mark.parametrize(
    "expression",
    [
        'query_reference_value("v")',
        'input.x in query_reference_value("v")',
        'input.x >= query_reference_value("v")',
        'input.x == query_reference_value("v")',
        'input.x != query_reference_value("v")',
        'query_reference_value("v") == null',
        'query_reference_value("v") < "z"',
        "count(query_reference_value(`v`)) == 0",
    ],
)
@pytest.mark.parametrize("claim", [1, "1", None, "", [], True])
def test_a20_a_missing_reference_value_is_undefined_in_every_comparison(
    values: dict[str, Any], expression: str, claim: Any
) -> None:
    assert decide(f"{HEAD}allow if {expression}", claims={"x": claim}, values=values) is UNDEFINED


def test_what_was_asked_for_and_not_found_is_told_once_in_order() -> None:
    text = HEAD + 'allow := [v | some id in ["b", "a", "b", "c"]; v := query_reference_value(id)]'
    run = compiled(text).run([ALLOW], b"{}", b"", {"c": 3})
    assert (run.values[ALLOW], run.missed) == ([3], ("b", "a"))


@pytest.mark.parametrize("argument", ["1", "true", "null", "[]", "{}"])
def test_a_reference_value_has_a_string_for_a_name(argument: str) -> None:
    error = refused(f"{HEAD}allow := query_reference_value({argument})")
    assert (error.code, error.message) == ("POLICY-REFERENCE-VALUES", "query_reference_value takes one string")


def test_a_policy_asks_for_a_bounded_number_of_reference_values() -> None:
    text = HEAD + "allow := [v | some n in numbers.range(1, input.n); v := query_reference_value(format_int(n, 10))]"
    assert decide(text, claims={"n": MAX_REFERENCE_VALUES}) == []
    assert refused(text, claims={"n": MAX_REFERENCE_VALUES + 1}).code == "POLICY-REFERENCE-VALUES"


def test_what_a_policy_prints_stays_off_standard_error(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    text = HEAD + "allow if { some n in numbers.range(1, 30); print(`n is`, n); n > 99 }"
    with caplog.at_level(logging.DEBUG, "trustee.policy"):
        assert decide(text) is UNDEFINED
    assert capfd.readouterr().err == ""
    assert len(caplog.records) == 20
    with caplog.at_level(logging.DEBUG, "trustee.policy"):
        assert decide(HEAD + "allow := true") is True
    assert len(caplog.records) == 20


def test_on_another_thread_the_engine_breaks_off_and_says_so() -> None:
    policy = CompiledPolicy(HEAD + "allow := true")
    caught: list[BaseException] = []

    def use() -> None:
        try:
            policy.run([ALLOW], b"{}", b"", {})
        except BaseException as error:  # noqa: BLE001  # what is raised is what is tested
            caught.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    (error,) = caught
    assert isinstance(error, PolicyEvaluationError)
    assert error.code == "POLICY-PANIC"


def test_an_interruption_is_no_error_of_the_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = CompiledPolicy(HEAD + "allow := true")

    class Interrupted:
        def set_input_json(self, _text: str) -> None:
            raise KeyboardInterrupt

        def take_prints(self) -> list[str]:
            return []

    monkeypatch.setattr(policy, "_engine", Interrupted())
    with pytest.raises(KeyboardInterrupt):
        policy.run([ALLOW], b"{}", b"", {})


def test_a_value_beyond_what_json_holds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = CompiledPolicy(HEAD + "allow := true")

    class Odd:
        def set_input_json(self, _text: str) -> None: ...

        def take_prints(self) -> list[str]:
            return []

        def eval_rule_as_json(self, _rule: str) -> str:
            return "[" * 100_000

    monkeypatch.setattr(policy, "_engine", Odd())
    with pytest.raises(PolicyEvaluationError) as caught:
        policy.run([ALLOW], b"{}", b"", {})
    assert caught.value.code == "POLICY-EVALUATION"


def test_a31_the_builtins_are_those_of_upstream_s_engine() -> None:
    engine = regorus.Engine()
    engine.add_policy("", "package p\nnames := opa.runtime().builtins")
    offered = set(json.loads(engine.eval_rule_as_json("data.p.names")))
    namespaces = {name.partition(".")[0] for name in offered - builtins()}
    assert namespaces == {
        *("base64url", "glob", "graph", "hex", "http", "json", "net", "opa", "rand", "semver", "urlquery", "uuid"),
        "yaml",
    }
    assert {name for name in offered - builtins() if name.startswith("json.")} == {
        "json.match_schema",
        "json.verify_schema",
    }
    assert {"regex.match", "base64.decode", "time.now_ns", "json.unmarshal", "walk", "print"} <= builtins()


@given(st.text(alphabet='allow :=if{}[]()"\n.,1|&data.policyinputquery_reference_value', max_size=120))
def test_a24_any_text_compiles_or_raises_a_policy_error(text: str) -> None:
    try:
        policy = CompiledPolicy(HEAD + text)
        policy.run([ALLOW], b"{}", b"", {})
    except PolicyError as error:
        assert error.code.startswith("POLICY-")  # noqa: PT017  # either outcome is right


def on_another_thread(do: Callable[[], object]) -> None:
    thread = threading.Thread(target=do)
    thread.start()
    thread.join()


def test_a_policy_that_ends_on_another_thread_gives_its_engine_back() -> None:
    gc.collect()  # policies that earlier tests left: the other thread could be the one that collects them
    policies = [CompiledPolicy(HEAD + "allow := true")]
    given_back = policies[0]._abandoned
    on_another_thread(policies.clear)  # dropped there, the engine would complain, and stay in memory
    assert len(given_back) == 1
    CompiledPolicy(HEAD + "allow := true")
    assert given_back == []


def test_a_policy_that_was_refused_is_no_burden_to_another_thread() -> None:
    errors = []
    for text in ("nonsense", HEAD + "allow := http.send({})", HEAD + "query_reference_value(x) := 1", "[" * 100):
        with pytest.raises(PolicyError) as caught:
            CompiledPolicy(text)
        errors.append(caught.value)
    on_another_thread(errors.clear)
    del caught
    on_another_thread(gc.collect)
