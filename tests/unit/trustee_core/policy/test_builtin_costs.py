"""The bound of each built-in function."""

from __future__ import annotations

import pytest
from trustee_core.policy.builtin_costs import call_builtin
from trustee_core.policy.compiled import builtins
from trustee_core.policy.cost import WHOLE, Scope, UnboundedError, Value
from trustee_core.policy.guard import PUBLIC_NAME

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
    "object.union_n",
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
COMPOSING = {"concat", "numbers.range", "regex.is_valid", "regex.match", "replace", "sprintf"}


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
            assert len(scope.total.terms) <= 2
    assert without == WITHOUT_A_BOUND


@pytest.mark.parametrize(
    ("name", "steps", "size"),
    [("count", 0, 1), ("object.get", 0, 101), ("startswith", 202, 1), ("lower", 202, 808), ("split", 6666, 6464)],
)
def test_what_is_looked_at_and_what_is_given(name: str, steps: int, size: int) -> None:
    value, scope = called(name)
    assert (scope.total.at(100), value.size.at(100)) == (steps, size)
