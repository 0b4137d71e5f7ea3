"""Polynomials, and the size of documents."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trustee_core.policy.cost import (
    BYTES_PER_SIZE,
    MAX_DEGREE,
    ONE,
    WHOLE,
    Polynomial,
    Scope,
    UnboundedError,
    Value,
    constant,
    size_of_json,
    together,
)

POLYNOMIALS = st.lists(st.integers(0, 100), min_size=1, max_size=3).map(
    lambda terms: Polynomial(tuple(map(float, terms)))
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=40,
)


def elements(document: Any) -> int:
    """How many values there are inside a document."""
    if not isinstance(document, list | dict):
        return 0
    inside = list(document.values()) if isinstance(document, dict) else document
    return len(inside) + sum(map(elements, inside))


@given(POLYNOMIALS, POLYNOMIALS, st.integers(0, 50))
def test_polynomials_add_and_multiply(one: Polynomial, other: Polynomial, size: int) -> None:
    assert (one + other).at(size) == one.at(size) + other.at(size)
    assert (one * other).at(size) == one.at(size) * other.at(size)


def test_a_polynomial_of_a_high_degree_is_no_bound() -> None:
    power = ONE
    for _ in range(MAX_DEGREE):
        power *= WHOLE
    assert power.at(1) == 2**MAX_DEGREE
    with pytest.raises(UnboundedError):
        power *= WHOLE


def test_polynomials_are_ordered_by_their_growth() -> None:
    ordered = [constant(1), constant(1000), Polynomial((0.0, 1.0)), Polynomial((0.0, 2.0)), Polynomial((0.0, 0.0, 1.0))]
    mixed = [ordered[place] for place in (3, 0, 4, 2, 1)]
    assert sorted(mixed, key=lambda polynomial: polynomial.growth) == ordered
    assert [polynomial.is_constant for polynomial in ordered] == [True, True, False, False, False]


@given(JSON, st.sampled_from([None, 2]))
def test_a31_the_size_of_a_document_is_no_less_than_its_elements(document: Any, indent: int | None) -> None:
    encoded = json.dumps(document, indent=indent).encode()
    assert size_of_json(encoded) >= elements(document)
    assert len(encoded) >= size_of_json(encoded) >= len(encoded) // BYTES_PER_SIZE


def test_text_counts_by_its_length() -> None:
    assert size_of_json(b'"' + b"x" * 6_400 + b'"') == 100


def test_a_value_of_two_loops_is_a_part_of_neither() -> None:
    scope = Scope()
    one, other = scope.walk(Value(WHOLE)), scope.walk(Value(WHOLE))
    assert together([one, Value.scalar()]).part_of == one.part_of
    assert together([one, one]).share.at(0) == 3
    assert together([one, other]).part_of is None
    assert together([one, Value(WHOLE)]).part_of is None
    assert together([one]) is one
    assert together([]).size == ONE


def test_names_are_looked_for_outwards_but_not_out_of_functions() -> None:
    outer = Scope(names={"x": Value.scalar(), "declared": None})
    assert outer.inner().inner().lookup("x") == (True, Value.scalar())
    assert outer.inner().lookup("declared") == (True, None)
    assert outer.inner().lookup("y") == (False, None)
    assert outer.inner(sees_outer=False).lookup("x") == (False, None)


def test_steps_count_for_each_turn_of_the_loops_before_them() -> None:
    scope = Scope()
    scope.take(5)
    scope.complete()
    scope.walk(Value(constant(10)))
    scope.take(3)
    scope.end()
    assert scope.total.at(0) == 5 + 10 * 3
