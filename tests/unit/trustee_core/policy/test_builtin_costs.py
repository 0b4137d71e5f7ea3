"""The bound of each built-in function."""

from __future__ import annotations

import pytest
from trustee_core.policy.builtin_costs import call_builtin
from trustee_core.policy.compiled import builtins
from trustee_core.policy.cost import WHOLE, Scope, UnboundedError, Value
from trustee_core.policy.guard import PUBLIC_NAME

TRIMMING = {"trim", "trim_left", "trim_right"}
WITHOUT_A_BOUND = {
    "__builtin_sets.intersection",
    "__builtin_sets.union",
    "bits.lsh",
    "indexof_n",
    "json.filter",
    "json.marshal_with_options",
    "json.patch",
    "json.remove",
    "numbers.range_step",
    "object.subset",
    "regex.find_all_string_submatch_n",
    "regex.find_n",
    "regex.replace",
    "regex.split",
    "regex.template_match",
    "strings.any_prefix_match",
    "strings.any_suffix_match",
    "strings.count",
    "strings.replace_n",
    "time.format",
    "time.parse_ns",
    "trace",
    "walk",
}
COMPOSING = {"concat", "numbers.range", "regex.is_valid", "regex.match", "replace", "sprintf"} | TRIMMING
SQUARING = {"intersection", "object.union_n", "product", "union", "units.parse", "units.parse_bytes"}


def called(name: str) -> tuple[Value, Scope]:
    scope = Scope()
    value = call_builtin(name, [], [Value(WHOLE)], scope)
    scope.end()
    return value, scope


def test_every_built_in_function_has_a_bound_or_is_known_to_have_none() -> None:
    without = set()
    for name in builtins() - COMPOSING - {PUBLIC_NAME}:
        try:
            value, scope = called(name)
        except UnboundedError:
            without.add(name)
        else:
            assert len(value.size.terms) <= 2
            assert (len(scope.total.terms) > 2) == (name in SQUARING)
    assert without == WITHOUT_A_BOUND


@pytest.mark.parametrize(
    ("name", "steps", "size"),
    [
        ("is_array", 0, 1),
        ("count", 202, 1),
        ("object.get", 0, 101),
        ("startswith", 202, 1),
        ("lower", 202, 808),
        ("split", 6666, 6464),
        ("product", 202 + 101 * 101, 101),
    ],
)
def test_what_is_looked_at_and_what_is_given(name: str, steps: int, size: int) -> None:
    value, scope = called(name)
    assert (scope.total.at(100), value.size.at(100)) == (steps, size)


@pytest.mark.parametrize("name", TRIMMING)
def test_trimming_costs_by_the_characters_that_are_cut_off(name: str) -> None:
    for characters, degree in ((Value.scalar(), 1), (Value(WHOLE), 2)):
        scope = Scope()
        assert call_builtin(name, [], [Value(WHOLE), characters], scope) == Value(WHOLE)
        scope.end()
        assert len(scope.total.terms) - 1 == degree


def test_the_union_of_a_few_costs_by_how_few_they_are() -> None:
    scope = Scope()
    call_builtin("object.union_n", [], [Value(WHOLE, items=3)], scope)
    scope.end()
    assert scope.total.at(100) == 101 * (2 + 3)
