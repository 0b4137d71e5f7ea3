"""Lenient scalars, as the Rust crate `config` reads them."""

from __future__ import annotations

from typing import Any

import pytest
from attestack_common.config.scalars import to_bool, to_float, to_int, to_text
from hypothesis import given
from hypothesis import strategies as st

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)


@pytest.mark.parametrize("value", [True, 1, 2, -1, 0.5, "1", "true", "True", "ON", "yes"])
def test_true(value: Any) -> None:
    assert to_bool(value) is True


@pytest.mark.parametrize("value", [False, 0, 0.0, "0", "false", "Off", "NO"])
def test_false(value: Any) -> None:
    assert to_bool(value) is False


@pytest.mark.parametrize("value", ["", "2", "truee", " true", None, [], {}])
def test_what_is_no_boolean_is_returned_as_it_came(value: Any) -> None:
    assert to_bool(value) is value


@pytest.mark.parametrize(
    ("value", "number"),
    [(3, 3), ("3", 3), ("-3", -3), ("+3", 3), ("007", 7), (3.0, 3), (-2.0, -2), ("9" * 19, 10**19 - 1)],
)
def test_whole_numbers(value: Any, number: int) -> None:
    assert to_int(value) == number
    assert type(to_int(value)) is int


@pytest.mark.parametrize("value", ["", " 3", "3 ", "1_000", "3.0", "0x3", "\u0663", "9" * 20, 3.5, float("inf"), None])
def test_what_is_no_whole_number_is_returned_as_it_came(value: Any) -> None:
    assert to_int(value) is value


@pytest.mark.parametrize(("value", "number"), [("1.5", 1.5), ("2", 2.0), (".5", 0.5), ("1e3", 1000.0), ("-1.", -1.0)])
def test_numbers(value: str, number: float) -> None:
    assert to_float(value) == number


@pytest.mark.parametrize("value", ["", "nan", "inf", "1e9999", "1_0.0", ".", "e5"])
def test_what_is_no_number_is_returned_as_it_came(value: str) -> None:
    assert to_float(value) is value


@pytest.mark.parametrize(
    ("value", "text"),
    [(1, "1"), (-1, "-1"), (True, "true"), (False, "false"), (1.2, "1.2"), (2.0, "2"), ("x", "x"), ("", "")],
)
def test_texts(value: Any, text: str) -> None:
    assert to_text(value) == text


@given(SCALARS)
def test_every_conversion_returns_its_kind_or_the_value_itself(value: Any) -> None:
    for convert, kind in ((to_bool, bool), (to_int, int), (to_float, float), (to_text, str)):
        converted = convert(value)
        assert converted is value or isinstance(converted, kind)


@given(st.integers(min_value=-(2**63), max_value=2**63 - 1))
def test_a_whole_number_survives_its_text(number: int) -> None:
    assert to_int(to_text(number)) == number


@given(st.booleans())
def test_a_boolean_survives_its_text(value: bool) -> None:  # noqa: FBT001  # drawn by hypothesis
    assert to_bool(to_text(value)) is value
