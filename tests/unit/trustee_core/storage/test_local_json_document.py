"""The texts of LocalJson: any bytes give a document or the one error, and what is written is read again."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trustee_core.storage.local_json_document import (
    DamagedError,
    decode_value,
    digest,
    encode_notes,
    encode_value,
    encode_values,
    parse_notes,
    parse_values,
    size_of,
)

KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NOTES = st.dictionaries(
    KEYS, st.dictionaries(st.binary(max_size=3).map(lambda data: digest(encode_value(data))), st.integers(0, 2**62))
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner)
)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_values_or_damaged(data: bytes) -> None:
    try:
        texts = parse_values(data)
    except DamagedError as error:
        assert str(error)  # noqa: PT017  # both outcomes are right
    else:
        assert json.loads(data) == texts
        assert all(isinstance(text, str) for text in texts.values())


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_times_or_damaged(data: bytes) -> None:
    try:
        notes = parse_notes(data)
    except DamagedError as error:
        assert str(error)  # noqa: PT017  # both outcomes are right
    else:
        assert json.loads(data) == notes


@given(st.dictionaries(KEYS, st.binary(max_size=20)))
def test_values_are_read_as_they_were_written(values: dict[str, bytes]) -> None:
    texts = {key: encode_value(value) for key, value in values.items()}
    data = encode_values(texts)
    assert list(parse_values(data).items()) == list(texts.items())
    assert len(data) == max(2, sum(size_of(key, text) for key, text in texts.items()) + 1)


@given(NOTES)
def test_times_are_read_as_they_were_written(notes: dict[str, dict[str, int]]) -> None:
    assert parse_notes(encode_notes(notes)) == notes


@given(st.binary())
def test_a_value_has_one_text(value: bytes) -> None:
    text = encode_value(value)
    assert text == base64.b64encode(value).decode().replace("+", "-").replace("/", "_")
    assert decode_value(text) == value


@given(st.text(st.sampled_from("AQgw-_+/= \n\u00e4")))
def test_any_text_is_a_value_or_damaged(text: str) -> None:
    try:
        value = decode_value(text)
    except DamagedError:
        return
    assert encode_value(value) == text


@pytest.mark.parametrize(
    "text", ["Y", "YQ", "YQ=", "YQ===", "YR==", "YWJ=", "Y Q==", "YQ==YQ==", "=", "____+", "a+==", "\u00e4"]
)
def test_other_spellings_are_damaged(text: str) -> None:
    with pytest.raises(DamagedError):
        decode_value(text)
