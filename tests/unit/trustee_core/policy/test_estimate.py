"""The bound of an evaluation: never below what the engine does, and low for what operators write.

What the engine does is counted by `print`, which takes 25 steps: a policy prints in its innermost loop.
"""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trustee_core.policy.compiled import CompiledPolicy
from trustee_core.policy.cost import Polynomial, UnboundedError, size_of_json
from trustee_core.policy.estimate import MAX_VISITS, estimate
from trustee_core.policy.placement import MAX_STEPS

from tests.conformance.policies import policies
from tests.unit.trustee_core.policy.evaluation import ALLOW, HEAD

PRINT_STEPS = 25
NAMES = [f"n{number}" for number in range(30)]
WIDE = {"a": list(range(40)), "b": list(range(40))}
DEEP = {"e": [{"d": list(range(40)), "o": list(range(40))}] * 10}
COPIES = ", ".join(["e.d"] * 40)
SINGLE = {"e": [{"d": list(range(100))}]}
LOPSIDED = {"e": [{"d": list(range(100)), "o": list(range(100))}]}


def bound(text: str) -> Polynomial:
    return CompiledPolicy(HEAD + text).steps()


def unbounded(text: str) -> str:
    with pytest.raises(UnboundedError) as caught:
        bound(text)
    return str(caught.value)


def degree(text: str) -> int:
    return len(bound(text).terms) - 1


def prints(text: str, claims: Any) -> int:
    """How often a policy prints."""
    engine = CompiledPolicy(HEAD + text)._engine
    engine.set_input_json(json.dumps(claims))
    engine.eval_rule(ALLOW)
    return len(engine.take_prints())


def held(text: str, claims: Any) -> int:
    """Assert that the bound is one; return how often the policy prints."""
    count = prints(text, claims)
    assert bound(text).at(size_of_json(json.dumps(claims).encode())) >= PRINT_STEPS * count
    return count


@pytest.mark.parametrize(
    ("text", "claims", "count"),
    [
        ("allow if print(1)", WIDE, 1),
        ("allow if { some x in input.a; print(x); x < 0 }", WIDE, 40),
        ("allow if { print(input.a[_]); false }", WIDE, 40),
        ("allow if { some i; print(input.a[i]); i < 0 }", WIDE, 40),
        ("allow if { x := input.a[i]; print(x, i); x < 0 }", WIDE, 40),
        ("allow if { every x in input.a { print(x) } }", WIDE, 40),
        ("allow if { some x in input.a; some y in input.b; print(x, y); x < 0 }", WIDE, 1600),
        ("allow if { print(input.a[_], input.b[_]); false }", WIDE, 1600),
        ("allow if { every x in input.a { every y in input.b { print(x, y) } } }", WIDE, 1600),
        ("allow := [1 | some x in [y | some y in input.a]; some z in input.b; print(x, z)]", WIDE, 1600),
        ("allow := [1 | some x in numbers.range(1, 50); some y in input.a; print(x, y)]", WIDE, 2000),
        ("f(x) if { print(x); x < 0 }\nallow if { some x in input.a; some y in input.b; f(x + y) }", WIDE, 1600),
        (
            "s contains [x, y] if { some x in input.a; some y in input.b }\nallow := [1 | some p in s; print(p)]",
            WIDE,
            1600,
        ),
        ("o[x] := y if { some x in input.a; y := 1 }\nallow := [1 | some x in o; print(x)]", WIDE, 40),
        ("r := input.a\nallow := [1 | some x in r; some y in data.policy.r; print(x, y)]", WIDE, 1600),
        ("allow := [1 | some e in input.e; some x in e.d; print(x)]", DEEP, 400),
        ("allow := [1 | some e in input.e; some x in e.d; some y in e.o; print(x, y)]", DEEP, 16000),
        ("allow := [1 | some e in input.e; some x in e.d; some y in e.o; print(x, y)]", LOPSIDED, 10000),
        ("allow := [1 | some e in input.e; some x in e.d; some y in e.d; print(x, y)]", LOPSIDED, 10000),
        ("allow := [1 | some e in input.e; print(e.d[_], e.o[_])]", LOPSIDED, 10000),
        ("allow := [1 | some e in input.e; some x in [e.d, e.d, e.d]; some y in x; print(y)]", DEEP, 1200),
        ("allow := [1 | some e in input.e; f := e; some x in f.d; some y in e.o; print(x, y)]", LOPSIDED, 10000),
        (
            "allow := [1 | some e in input.e; {`d`: d, `o`: o} := e; some x in d; some y in o; print(x, y)]",
            LOPSIDED,
            10000,
        ),
        ("f(x) := [1 | some y in x; print(y)]\nallow := [z | some e in input.e; z := f(e.d)]", DEEP, 400),
        ("f(x, z) := [1 | some y in x; print(y)]\nallow := [1 | some e in input.e; f(e.d, e.o[_])]", LOPSIDED, 10000),
        ("f(x) := x.o\nallow := [1 | some e in input.e; some x in e.d; some y in f(e); print(x, y)]", LOPSIDED, 10000),
        ("f(_) := input.e[0].o\nallow := [1 | some e in input.e; some x in f(e); print(x)]", DEEP, 400),
        ("allow := [1 | some e in input.e; x := e.d[i]; x == e.o[i]; print(x)]", LOPSIDED, 100),
        ("allow := [1 | some e in input.e; not e.x; some x in e.d; print(x)]", DEEP, 400),
        ("allow := [1 | some e in input.e; l := [x | some x in e.d]; print(l[_], l[_])]", LOPSIDED, 10000),
        ("allow := [1 | some l in [input.b | some x in input.a]; some y in l; print(y)]", WIDE, 1600),
        (f"allow := [1 | some e in input.e; some l in [{COPIES}]; some x in l; print(x)]", DEEP, 16000),
        ("allow := [1 | some e in input.e; count([1 | some x in e.d; print(x)]) + e.o[_] >= 0]", LOPSIDED, 10000),
        ("allow := [1 | some e in input.e; some d in e.d; some l in [[d], e.o]; print(l[_])]", LOPSIDED, 10100),
        ("f(x) := y if { y := x[_]; y.d }\nallow := [1 | l := f(input.e); print(l.d[_], l.d[_])]", SINGLE, 10000),
        ("allow := [1 | l := [input.a, input.b]; some x in l[0]; some y in l[1]; print(x, y)]", WIDE, 1600),
        ("allow := [1 | [l] := [input.a]; some x in l; print(x)]", WIDE, 40),
        ("r := {`k`: input.a}\nallow := [1 | some x in r.k; some y in data.policy.r.k; print(x, y)]", WIDE, 1600),
        ("allow := [1 | some _, y in object.union_n([input.o, {}]); print(y)]", {"o": dict.fromkeys(NAMES, 1)}, 30),
        ("allow := [1 | some x in {1, 2, 3} | {4, 5}; some y in input.a; print(x, y)]", WIDE, 200),
        ("allow := [1 | some c in split(input.s, ``); print(c)]", {"s": "x" * 2000}, 2000),
        ("allow := [1 | some c in json.unmarshal(input.s); print(c)]", {"s": json.dumps([0] * 900)}, 900),
        ("import input.a as list\nallow := [1 | some x in list; some y in list; print(x, y)]", WIDE, 1600),
        ("allow if { [x, y] = [input.a[_], input.b[_]]; print(x, y); x < 0 }", WIDE, 1600),
        ("allow if { input.a[_] = x; print(x); x < 0 }", WIDE, 40),
        ("allow if { {`k`: x} = {`k`: input.a[_]}; print(x); x < 0 }", WIDE, 40),
        ("allow if { x := 3; x = input.a[_]; print(x) }", WIDE, 1),
        ("allow if { some [3, x] in [[y, 1] | some y in input.a]; print(x) }", WIDE, 1),
        ("f(1, x) := [1 | print(x[_])]\nf(2, _) := 2\nallow := data.policy.f(1, input.a)", WIDE, 40),
        ("import data.policy.f as g\nf(x) := [1 | print(x[_])]\nallow := g(input.a)", WIDE, 40),
        ("default f(_) := 0\nf(x) := -1 if x > 0\nallow if { print(f(input.a[_])); false }", WIDE, 40),
        ("a.b.c := input.a\na[`d`] := input.b\nallow := [1 | print(a.b.c[_], a.d[_])]", WIDE, 1600),
        ("a.f(x) := [1 | print(x[_])]\nallow := a.f(input.a)", WIDE, 40),
        ("o.p[x] := y if some x, y in input.a\nallow := [1 | print(o.p[_], input.b[_])]", WIDE, 1600),
        ("r if { some x in input.a; x < 0 } else := 3 if { some y in input.b; print(y); y < 0 }\nallow := r", WIDE, 40),
        ("allow if { some k, _ in input.o; print(k); k == `` }", {"o": dict.fromkeys(NAMES, 1)}, 30),
    ],
)
def test_a31_no_loop_is_overlooked(text: str, claims: Any, count: int) -> None:
    assert held(text, claims) == count


KINDS = ["part", "twice", "filter", "flatten", "pairs", "same", "items", "both"]


@st.composite
def bodies(draw: st.DrawFn) -> str:
    """The body of a rule: some loops and assignments, each of something that may have been walked through before."""
    fresh = itertools.count()

    def expression(known: list[str], depth: int) -> str:
        kind = draw(st.sampled_from(KINDS)) if depth else "part"
        if kind == "part":
            return draw(st.sampled_from(known)) + draw(st.sampled_from(["", "[0]", "[1]"]))
        inner, x, y = expression(known, depth - 1), f"x{next(fresh)}", f"y{next(fresh)}"
        return {
            "twice": f"[{inner}, {inner}]",
            "filter": f"[{x} | some {x} in {inner}]",
            "flatten": f"[{y} | some {x} in {inner}; some {y} in {x}]",
            "pairs": f"[[{x}, {y}] | some {x} in {inner}; some {y} in {expression(known, 0)}]",
        }.get(kind, f"{kind}({inner})")

    body, known = "", ["input", "pair", "data.policy.deep.k"]
    for _ in range(draw(st.integers(1, 4))):
        name = f"w{next(fresh)}"
        form = draw(st.sampled_from(["some {} in {}; ", "some {} in {}; ", "{} := {}; "]))
        body += form.format(name, expression(known, draw(st.sampled_from([0, 0, 0, 1, 2]))))
        known.append(name)
    return body


FUNCTIONS = """
same(x) := x
items(x) := [z | some y in x; some z in y]
both(x) := [x, input]
pair := [input, input]
deep := {"k": [input]}
"""


@st.composite
def trees(draw: st.DrawFn) -> Any:
    """Arrays in arrays, wide, and often in one place: a part that is walked through twice then costs its square."""
    tree: list[Any] = []
    for _ in range(draw(st.integers(1, 3))):
        width = draw(st.integers(1, 16))
        tree = [tree] * width if draw(st.booleans()) else [tree, *([[]] * width)]
    return tree


@settings(max_examples=150, deadline=None)
@given(bodies(), trees())
def test_a31_no_nest_of_loops_is_underestimated(body: str, tree: Any) -> None:
    text = f"{FUNCTIONS}allow := count([1 | {body}print(1)])"
    try:
        bound(text)
    except UnboundedError as error:
        assert "nested too deep" in str(error)  # noqa: PT017  # either is right
        return
    held(text, tree)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("allow if input.x == 1", 1),
        ("allow if { some e in input.e; some d in e.d; d.x == 1 }", 1),
        ("allow if { every e in input.e { every d in e.d { d.x == 1 } } }", 1),
        ("has(event, x) if { some d in event.digests; d == x }\nallow if { some e in input.e; has(e, `aa`) }", 1),
        ("names := {e.name | some e in input.e}\nallow if { some x in [`a`, `b`, `c`]; x in names }", 1),
        ("allow if { some x in input.a; x in {1, 2, 3} }", 1),
        ("allow if concat(`/`, data[`resource-path`]) == `a/b/c`", 1),
        ("allow if { some x in input.a; startswith(x, `sha256:`); regex.match(`^[a-z]+$`, x) }", 1),
        ("allow if { some x in input.a; sprintf(`%s/%d`, [x, 3]) == `b` }", 1),
        ("allow if { some k, v in {`a`: input.a, `b`: input.b}; count(v) > 0; k == `a` }", 1),
        ("allow if { some x in input.a; replace(x, `-`, ``) == `b` }", 1),
        ("allow if { some x in input.a; some y in input.b; x == y }", 2),
        ("allow if { some e in input.e; some d in e.d; contains(e.text, d) }", 2),
        ("allow if { some e in input.e; some d in e.d; contains(e.text, `x`); d == 1 }", 2),
        ("allow if { some e in input.e; count(lower(e.text)) + e.d[_] > 1 }", 2),
        ("allow if { some x in input.a; x in input.b }", 2),
        ("allow if { some x in input.a; contains(input.text, x) }", 2),
        ("allow := [1 | some x in input.a; some y in input.a; some z in input.a; x == y; y == z]", 3),
    ],
)
def test_loops_multiply_where_they_are_independent(text: str, expected: int) -> None:
    assert degree(text) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("allow := [v | walk(input, [_, v])]", "no bound for walk"),
        ("allow := x if split(`a,b`, `,`, x)", "x has no value where it stands"),
        ("allow := count(numbers.range(1, input.n))", "ends that are computed"),
        ("allow := count(numbers.range(1, 1000000))", "is long"),
        ("allow if { input.a == 1 with input.a as 1 }", "`with`"),
        ("allow if regex.match(input.pattern, `a`)", "what a guest sends"),
        ("allow := sprintf(input.format, [1])", "computed, or wide"),
        ("allow := sprintf(`%100000000d`, [1])", "computed, or wide"),
        ("allow := concat(input.a, input.b)", "what a guest sends"),
        ("allow := replace(`xxx`, `x`, input.a)", "is computed"),
        ("allow := bits.lsh(1, input.n)", "no bound for bits.lsh"),
        ("allow := data", "all of `data`"),
        ("allow := [x | some x in data.policy]", "whole package"),
        ("r := 1\nallow := [x | x := data[_]]", "all of `data`"),
        ("r := [1 | s]\ns := [1 | r]\nallow := s", "a rule uses itself"),
        ("allow := [1 | input.a[a]; input.a[b]; input.a[c]; input.a[d]; input.a[e]]", "nested too deep"),
        ("allow := no_such_function(1)", "no bound for no_such_function"),
    ],
)
def test_a31_without_a_bound_a_policy_is_told(text: str, why: str) -> None:
    assert why in unbounded(text)


def test_functions_that_multiply_their_calls_have_no_bound() -> None:
    chain = "".join(f"f{n + 1}(x) := f{n}(x) + f{n}(x)\n" for n in range(20))
    assert "call each other too often" in unbounded(f"f0(x) := x\n{chain}allow := f20(1)")
    assert MAX_VISITS < 2**20


def test_values_that_double_double_the_bound() -> None:
    chain = "".join(f"a{n + 1} := [a{n}, a{n}]\n" for n in range(24))
    steps = bound(f"a0 := input\n{chain}allow := a24")
    assert steps.at(10) > MAX_STEPS
    text = "".join(f"a{n + 1} := concat(``, [a{n}, a{n}])\n" for n in range(24))
    assert bound(f"a0 := input.x\n{text}allow := a24").at(10) > MAX_STEPS
    squares = "".join(f"a{n + 1} := a{n} * a{n}\n" for n in range(24))
    assert bound(f"a0 := input.x\n{squares}allow := a24").at(10) > MAX_STEPS


def test_what_a_syntax_tree_has_that_is_not_known_has_no_bound() -> None:
    tree = json.loads(CompiledPolicy(HEAD + "allow := 1")._engine.get_ast_as_json())[0]
    assert estimate(tree).at(0) < 1000
    value = tree["ast"]["rules"][0]["Spec"]["head"]["Compr"]["assign"]
    value["value"] = {"Novelty": {}}
    with pytest.raises(UnboundedError, match="Novelty is not known"):
        estimate(tree)
    value["value"] = {"String": {}}
    with pytest.raises(UnboundedError, match="a form that is not known"):
        estimate(tree)
    tree["ast"]["rules"][0]["Spec"]["bodies"] = [{"query": {"stmts": [{"literal": {"Novelty": {}}}]}}]
    with pytest.raises(UnboundedError, match="Novelty is not known"):
        estimate(tree)


def test_a_syntax_tree_that_cannot_be_read_has_no_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    class Deep:
        def get_ast_as_json(self) -> str:
            return "[" * 100_000

    policy = CompiledPolicy(HEAD + "allow := 1")
    monkeypatch.setattr(policy, "_engine", Deep())
    with pytest.raises(UnboundedError, match="nested too deep"):
        policy.steps()


def test_rules_nested_deep_have_no_bound() -> None:
    chain = "".join(f"r{n + 1} := r{n}\n" for n in reversed(range(700)))
    assert "nested too deep" in unbounded(f"{chain}r0 := 1\nallow := r700")


LARGEST_LOG = 1240
"""The size of the largest event log among the published vectors, and some more for the rest of the evidence."""


@pytest.mark.parametrize("origin", [name for name in policies() if not name.startswith("tests/")])
def test_the_policies_that_we_ship_and_show_have_a_bound_that_evidence_keeps(origin: str) -> None:
    text = policies()[origin]
    if "opa.runtime" not in text:
        assert CompiledPolicy(text).steps().at(LARGEST_LOG + 500) <= MAX_STEPS
