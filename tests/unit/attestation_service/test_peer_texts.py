"""The texts of the libraries under the Rust services, as recorded."""

from __future__ import annotations

import pytest
from attestation_service.peer_texts import base64_text, json_text, missing_field
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("!!!", "Invalid symbol 33, offset 0."),
        ("YQ==", "Invalid padding"),
        ("ab+/", "Invalid symbol 43, offset 2."),
        ("YWFhC", "Invalid input length: 5"),
        ("YR", "Invalid last symbol 82, offset 1."),
        ("aü", "Invalid symbol 195, offset 1."),
    ],
)
def test_base64(text: str, said: str) -> None:
    assert base64_text(text) == said


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"x", "expected value at line 1 column 1"),
        (b"", "EOF while parsing a value at line 1 column 0"),
        (b"{} {}", "trailing characters at line 1 column 4"),
        (b'{"a" 1}', "expected `:` at line 1 column 6"),
        (b'{\n"a": nope}', "expected value at line 2 column 6"),
        (b"{1}", "key must be a string at line 1 column 2"),
        (b"{}", "otherwise"),
        (b"\xff", "otherwise"),
        (b"[" * 100_000, "otherwise"),
    ],
)
def test_json(data: bytes, said: str) -> None:
    assert json_text(data, "otherwise") == said


def test_a_missing_field_is_noticed_at_the_end_of_the_object() -> None:
    assert missing_field("policy_id", b"{}") == "missing field `policy_id` at line 1 column 2"
    assert missing_field("x", b'{\n "a": 1\n}\n\n') == "missing field `x` at line 3 column 1"


@given(st.binary(max_size=64))
def test_any_bytes_have_a_text(data: bytes) -> None:
    assert json_text(data, "otherwise")
    assert missing_field("x", data).startswith("missing field `x` at line ")


@given(st.text(min_size=1, max_size=32))
def test_any_text_has_a_text(text: str) -> None:
    assert base64_text(text).startswith("Invalid ")
