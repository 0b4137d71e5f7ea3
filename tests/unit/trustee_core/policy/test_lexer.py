"""Rego text as tokens, compared with what the engine's own parser sees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import regorus
from hypothesis import given
from hypothesis import strategies as st
from trustee_core.policy.lexer import Kind, Token, tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[4]
POLICIES = sorted((ROOT / "host").rglob("*.rego"))
SYNTAX = """package policy
import rego.v1
import data.foo as bar
import data.a.b
# query_reference_value in a comment
default allow := false
allow if { some key, value in input.x; key != `raw "query" \\`; value == "str # \\" ing" }
allow if { every item in [1, 2.5e3] { item > 0 } } else := input["a-b"].c_D9 if not input.z
set contains value if { value := {"k": [1 | true]}[_] with data.q as 3 }
a.b["c"].d(x) := count(x)
"""


def names_in(node: Any) -> Iterator[str]:
    """The names that the engine's syntax tree has: variables, and parts of references behind a dot."""
    if isinstance(node, dict):
        if "Var" in node:
            yield node["Var"]["value"]
        if "RefDot" in node:
            yield node["RefDot"]["field"][1]
        for value in node.values():
            yield from names_in(value)
    elif isinstance(node, list):
        for value in node:
            yield from names_in(value)


@pytest.mark.parametrize("text", [*(path.read_text() for path in POLICIES), SYNTAX])
def test_every_name_that_the_engine_sees_is_a_token(text: str) -> None:
    engine = regorus.Engine()
    engine.add_policy("", text)
    seen = set(names_in(json.loads(engine.get_ast_as_json())))
    assert len(seen) > 3
    assert seen <= {token.text for token in tokens(text) if token.kind is Kind.NAME}


def test_comments_and_spaces_are_no_tokens() -> None:
    assert [token.text for token in tokens('a # b "c"\n\t:= `d # e`\r\n')] == ["a", ":=", "`d # e`"]


def test_lines_count_from_one_and_ends_from_the_start_of_their_line() -> None:
    assert list(tokens("ab\n  cd == 1")) == [
        Token(Kind.NAME, "ab", 1, 2),
        Token(Kind.NAME, "cd", 2, 4),
        Token(Kind.MARK, "==", 2, 7),
        Token(Kind.NUMBER, "1", 2, 9),
    ]


def test_lines_go_on_behind_a_raw_string_of_several_lines() -> None:
    raw, after = tokens("`a\nbcd` e")
    assert (raw.line, raw.end, after.line, after.end) == (1, 2, 2, 6)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"a"', "a"),
        ('"a\\"b\\\\c\\n"', 'a"b\\c\n'),
        ('"\\u0061"', "a"),
        ("`a\\n`", "a\\n"),
        ('"\\q"', "\\q"),
    ],
)
def test_strings_have_values(text: str, value: str) -> None:
    (token,) = tokens(text)
    assert token.kind is Kind.STRING
    assert token.string == value


def test_a_string_without_its_end_is_a_mark() -> None:
    assert [(token.kind, token.text) for token in tokens('"a\nb')] == [
        (Kind.MARK, '"'),
        (Kind.NAME, "a"),
        (Kind.NAME, "b"),
    ]


@given(st.text(max_size=200))
def test_tokens_and_what_is_between_them_are_the_whole_text(text: str) -> None:
    rest = text
    for token in tokens(text):
        between, found, rest = rest.partition(token.text)
        assert found
        assert all(part.lstrip(" \t\r").startswith("#") or not part.strip(" \t\r") for part in between.split("\n"))
    assert all(part.lstrip(" \t\r").startswith("#") or not part.strip(" \t\r") for part in rest.split("\n"))
