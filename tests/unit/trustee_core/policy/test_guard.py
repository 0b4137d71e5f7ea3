"""Whose names a policy uses, and what it asks for."""

from __future__ import annotations

import pytest
from trustee_core.policy.bounds import bounded_tokens
from trustee_core.policy.contract import UNDEFINED, PolicyError, PolicyParseError, PolicyRefusedError
from trustee_core.policy.guard import PRIVATE_NAME, Facts, examine

from tests.unit.trustee_core.policy.evaluation import HEAD, compiled, decide

VALUES = {"x": [1]}


def facts(text: str) -> Facts:
    return examine(bounded_tokens(HEAD + text))


def code(text: str) -> str:
    with pytest.raises(PolicyError) as caught:
        compiled(text if text.startswith("package") else HEAD + text)
    return caught.value.code


@pytest.mark.parametrize(
    "text",
    [
        "query_reference_value(id) := null",
        "query_reference_value(id) := null if id == 1",
        "query_reference_value := 1",
        "query_reference_value if true",
        "query_reference_value.x := 1",
        "query_reference_value contains 1",
        "default query_reference_value(_) := 1",
        "default query_reference_value := 1",
        "x if true\nquery_reference_value(id) := null",
        'x := "a"\nquery_reference_value(id) := null',
        "x := 1\nquery_reference_value(id) := null",
        "x := [1]\nquery_reference_value(id) := null",
        "import data.foo as query_reference_value\nx := 1",
        "import data.query_reference_value\nx := 1",
        "import data.policy.query_reference_value as q\nx := 1",
        "x := v if { query_reference_value := 1; v := query_reference_value }",
        "x if { some query_reference_value in [1] }",
        "x if { every query_reference_value in [1] { true } }",
        "f(query_reference_value) := query_reference_value",
        "f(x) := 1\nx := v if { v := query_reference_value(1) with query_reference_value as f }",
        "x := v if { v := query_reference_value(1) with data.policy.query_reference_value as 1 }",
        "x := v if { v := input.a with input.a as query_reference_value }",
        "x := data.policy.query_reference_value",
        'x := data.policy.query_reference_value("x")',
        'x := data["policy"].query_reference_value("x")',
        "x := input.query_reference_value",
        "x := [query_reference_value]",
        "x := query_reference_value",
        "x := query_reference_value[1]",
        f'x := {PRIVATE_NAME}("x")',
        f"{PRIVATE_NAME}(x) := 1",
        f"x := input.{PRIVATE_NAME}",
        f"x := v if {{ v := f(1) with {PRIVATE_NAME} as f }}",
        "package policy.query_reference_value\nx := 1",
    ],
)
def test_a29_the_service_s_names_are_refused_but_for_calls(text: str) -> None:
    assert code(text) == "POLICY-REFUSED"


@pytest.mark.parametrize(
    "text",
    [
        'allow := query_reference_value("x")',
        'allow := query_reference_value ("x")',
        'allow := v if v := query_reference_value("x")',
        'allow := v if { v := query_reference_value("x") }',
        'allow := [query_reference_value("x")][0]',
        'allow := f(2, query_reference_value("x"))\nf(_, x) := x',
        'allow := 1 if false\nelse := query_reference_value("x")',
        'default allow := 1\nallow := query_reference_value("x") if not input.y',
        'allow := v if { some v in [query_reference_value("x")]; not query_reference_value("y") }',
        '# query_reference_value(x) := 1\nallow := query_reference_value("x")',
        'text := "query_reference_value(x) := 1"\nallow := query_reference_value("x")',
        'text := `\nquery_reference_value(x) := 1`\nallow := query_reference_value("x")',
        'text := ["query_reference_value"]\nallow := query_reference_value("x")',
    ],
)
def test_calls_comments_and_strings_are_not_refused(text: str) -> None:
    assert decide(HEAD + text, values=VALUES) == [1]


@pytest.mark.parametrize(
    "text",
    [
        'f(x) := 5\nallow := v if { v := query_reference_value("x") with data.policy["query_reference_value"] as f }',
        'allow := v if { v := query_reference_value("x") with data.policy as {"query_reference_value": 5} }',
        'allow := v if { v := query_reference_value("x") with data as {"policy": {"query_reference_value": 5}} }',
    ],
)
def test_a20_what_is_replaced_below_data_does_not_reach_the_guard(text: str) -> None:
    assert decide(HEAD + text, values=VALUES) == [1]
    assert decide(HEAD + text) is UNDEFINED


@pytest.mark.parametrize(
    "name",
    [
        *("http.send", "opa.runtime", "rand.intn", "net.cidr_contains", "net.lookup_ip_addr", "crypto.sha256"),
        *("io.jwt.decode", "yaml.unmarshal", "glob.match", "hex.encode", "base64url.encode", "semver.compare"),
        *("urlquery.encode", "uuid.rfc4122", "graph.reachable", "json.match_schema", "json.verify_schema"),
    ],
)
def test_a31_builtins_that_upstream_lacks_do_not_exist(name: str) -> None:
    with pytest.raises(PolicyRefusedError) as caught:
        compiled(f"{HEAD}allow if {{ input.never; {name}({{}}) }}")
    assert (caught.value.code, caught.value.engine_text) == ("POLICY-BUILTIN", f"could not find function {name}")


def test_a31_a_builtin_behind_brackets_is_seen() -> None:
    assert code('allow := http["send"]({"method": "get", "url": "http://127.0.0.1/"})') == "POLICY-BUILTIN"


def test_claims_and_rules_may_have_the_names_of_refused_builtins() -> None:
    assert decide(HEAD + "net := input.net\nallow := net.ip", claims={"net": {"ip": 1}}) == 1
    assert decide(HEAD + "net.cidr(x) := x\nallow := net.cidr(2)") == 2


@pytest.mark.parametrize(
    "text",
    [
        "f(x) := 1\ng(x) := f(x)\nallow := v if { v := g(1) with f as g }",
        "allow := v if { v := count([1]) with count as f }\nf(x) := 1",
        "allow := v if { v := f(1) with f as 1 }\nf(x) := 1",
    ],
)
def test_functions_are_not_replaced(text: str) -> None:
    assert code(text) == "POLICY-MOCK"


def test_input_data_and_imports_are_replaced() -> None:
    replaced = "with input.a as 1 with data.b as 2 with t.c as 3"
    text = f"import data.table as t\nallow := v if {{ v := [input.a, data.b, t.c] {replaced} }}"
    assert decide(HEAD + text) == [1, 2, 3]


@pytest.mark.parametrize(
    "text",
    [
        "f(x) := f(x)",
        "f(x) := g(x)\ng(x) := f(x)",
        "f(x) := 1 if x == 0\nelse := f(x - 1)",
        "f(x) := [y | y := g(x)]\ng(x) := h(x)\nh(x) := f(x)",
        "f(x) := data.policy.f(x)",
        'f(x) := data.policy["f"](x)',
        'f(x) := data["policy"].f(x)',
        "import data.policy as p\nf(x) := p.f(x)",
        "import data.policy.f as g\nf(x) := data.policy.f(x)",
        "a.f(x) := a.f(x)",
        "a.f(x) := data.policy.a.f(x)",
        "default f(_) := 1\nf(x) := f(x + 1) if x < 3",
    ],
)
def test_a31_a_function_that_calls_itself_is_refused(text: str) -> None:
    assert code(f"{text}\nallow if {{ input.never; true }}") == "POLICY-RECURSION"


def test_functions_that_call_others_are_fine() -> None:
    text = "match(x) if regex.match(`a`, x)\nf(x) := g(x) + g(x)\ng(x) := h(x)\nh(x) := 1\nallow := f(1) if match(`a`)"
    assert decide(HEAD + text) == 2


def test_a31_rules_that_depend_on_each_other_are_an_error_of_the_evaluation() -> None:
    with pytest.raises(PolicyError) as caught:
        decide(HEAD + "a if b\nb if a\nallow if a")
    assert caught.value.code == "POLICY-EVALUATION"
    assert "recursion" in caught.value.engine_text


def test_a31_rules_nest_within_a_bound() -> None:
    def chain(length: int) -> str:
        rules = "".join(f"r{number} if {{ r{number + 1} }}\n" for number in range(length))
        return f"{HEAD}{rules}r{length} if true\nallow if r0"

    assert decide(chain(700)) is True
    with pytest.raises(PolicyParseError) as caught:
        compiled(chain(900))
    assert caught.value.code == "POLICY-BOUNDS"


def test_literal_ids_are_collected_once_each_in_order() -> None:
    text = 'a := query_reference_value("b")\nc if 1 in query_reference_value(`d`)\ne := query_reference_value("b")\n'
    assert facts(text + 'f(x) := query_reference_value(x)\ng := f("no")').reference_values == ("b", "d")


def test_escapes_in_literal_ids_are_read() -> None:
    assert facts(r'a := query_reference_value("\u0061\"b")').reference_values == ('a"b',)


def test_foreign_calls_are_those_of_functions_that_are_not_defined() -> None:
    text = (
        "f(x) := count(x)\ng := f(1)\nh := data.policy.f(2)\ni := unknown.one(3)\nj if { (1 == 1) }\nk if not (2 == 2)"
    )
    assert facts(text).foreign_calls == {"count", "unknown.one"}


def test_a_name_behind_a_bracket_is_part_of_what_is_before_it() -> None:
    assert decide(HEAD + "allow := input.x[0].count", claims={"x": [{"count": 4}]}) == 4


def test_a_name_that_ends_the_text_is_read() -> None:
    assert facts("allow := input.x").foreign_calls == frozenset()
    assert examine([]) == Facts((), frozenset())


def test_an_alias_that_the_text_ends_before_is_none() -> None:
    assert examine(bounded_tokens("package p\nimport data.q as")) == Facts((), frozenset())
