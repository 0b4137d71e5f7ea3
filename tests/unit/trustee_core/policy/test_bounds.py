"""What a policy may cost the parser."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trustee_core.policy.bounds import (
    MAX_BYTES,
    MAX_COLUMNS,
    MAX_LINES,
    MAX_LITERALS,
    MAX_NESTING,
    MAX_OPERATORS,
    bounded_tokens,
)
from trustee_core.policy.contract import PolicyParseError

from tests.unit.trustee_core.policy.evaluation import HEAD, decide


def refusal(text: str) -> str:
    with pytest.raises(PolicyParseError) as caught:
        bounded_tokens(text)
    assert caught.value.code == "POLICY-BOUNDS"
    return caught.value.message


def comment(size: int) -> str:
    return ("#" * 1000 + "\n") * (size // 1001) + "#" * (size % 1001)


def test_a_policy_has_at_most_a_mebibyte() -> None:
    assert len(comment(MAX_BYTES)) == MAX_BYTES
    assert bounded_tokens(comment(MAX_BYTES)) == []
    assert "1048577 bytes" in refusal(comment(MAX_BYTES + 1))
    assert "bytes" in refusal("é" * (MAX_BYTES // 2 + 1))


def test_a_policy_has_at_most_20000_lines() -> None:
    assert bounded_tokens("\n" * (MAX_LINES - 1)) == []
    assert "20000 lines" in refusal("\n" * MAX_LINES)


def test_code_has_at_most_1024_columns() -> None:
    assert len(bounded_tokens(f"\na := {'b' * (MAX_COLUMNS - 5)}")) == 3
    assert "line 2" in refusal(f"\na := {'b' * (MAX_COLUMNS - 4)}")
    assert bounded_tokens("#" * 5000) == []


def test_half_of_a_surrogate_pair_is_refused() -> None:
    assert "surrogate" in refusal("\ud800")


def test_brackets_nest_within_a_bound() -> None:
    def calls(depth: int) -> str:
        return "x := " + "f(" * depth + ")" * depth

    assert bounded_tokens(calls(MAX_NESTING))
    assert "nested too deep" in refusal(calls(MAX_NESTING + 1))


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{", "}"), ('{"a": ', "}")])
def test_literals_nest_within_a_bound(opening: str, closing: str) -> None:
    assert bounded_tokens("x := " + opening * (MAX_LITERALS - 4) + "1" + closing * (MAX_LITERALS - 4))
    assert "line 1" in refusal("x := " + opening * (MAX_LITERALS + 1) + "1" + closing * (MAX_LITERALS + 1))


def test_bodies_indices_and_calls_are_no_literals() -> None:
    body = "allow if { every a in [1] { " * 20 + "true" + " } }" * 20
    index = "x := a" + "[b" * 20 + "]" * 20
    assert bounded_tokens(body)
    assert bounded_tokens(index)


def test_many_nested_literals_are_refused_for_their_work() -> None:
    row = "[" * 12 + "1" + "]" * 12 + ",\n"
    assert bounded_tokens("x := [" + row * 10 + "]")
    assert "too long" in refusal("x := [" + row * 1000 + "]")


def test_a_large_flat_table_is_fine() -> None:
    rows = "x := [\n" + '{"digest": "00112233445566778899aabbccddeeff", "versions": [1, 2]},\n' * 10_000 + "1]"
    assert len(bounded_tokens(rows)) > 100_000


def test_an_expression_has_at_most_256_operators() -> None:
    assert bounded_tokens("x := 1" + "\n+ 1" * (MAX_OPERATORS - 1))
    assert "256 operators" in refusal("x := 1" + "\n+ 1" * MAX_OPERATORS)
    assert "256 operators" in refusal("x := " + "-\n" * 300 + "1")
    assert "256 operators" in refusal("x if " + "1 in " * 100 + "\n1 in " * 200 + "1")


def test_operators_of_different_expressions_are_not_added() -> None:
    assert bounded_tokens("\n".join(f"x{number} := 1 + 2 * 3" for number in range(1000)))
    assert bounded_tokens("x := [" + "1 + 2,\n" * 1000 + "3]")
    assert bounded_tokens("x if {\n" + "a == b\n" * 1000 + "}")


def test_brackets_that_close_nothing_are_left_to_the_parser() -> None:
    assert [token.text for token in bounded_tokens("]})")] == ["]", "}", ")"]


def test_what_is_within_the_bounds_evaluates() -> None:
    text = HEAD + "allow := count([" + "[" * 8 + "1" + "]" * 8 + "]) == " + "(" * 20 + "1" + ")" * 20
    assert decide(text) is True


@given(st.text(alphabet='[]{}()"`#.,:=+-ain1 \n', max_size=300))
def test_a24_any_text_is_bounded_or_refused(text: str) -> None:
    try:
        found = bounded_tokens(text)
    except PolicyParseError as error:
        assert error.code == "POLICY-BOUNDS"  # noqa: PT017  # either outcome is right
        return
    assert len(found) <= len(text)
