"""Base64 and JSON from outside: one reading for each text, or a refusal."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest
from attestation_protocol.encoding import (
    MAX_JSON_DEPTH,
    b64std_decode,
    b64std_encode,
    b64url_decode,
    b64url_encode,
    compact_json,
    compact_plain,
    parse_json,
    sorted_json,
)
from attestation_protocol.errors import EncodingError
from attestation_protocol.hashes import HashAlgorithm
from hypothesis import example, given
from hypothesis import strategies as st

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)

PLAIN_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def code(text: bytes | str) -> str:
    with pytest.raises(EncodingError) as caught:
        parse_json(text)
    return caught.value.code


@given(st.binary())
def test_base64_comes_back(data: bytes) -> None:
    assert b64url_decode(b64url_encode(data)) == data
    assert b64std_decode(b64std_encode(data)) == data


@given(st.text() | st.binary())
def test_a24_any_text_decodes_in_one_way_or_is_refused(text: str | bytes) -> None:
    raw = text.encode() if isinstance(text, str) else text
    for decode, encode in ((b64url_decode, b64url_encode), (b64std_decode, b64std_encode)):
        try:
            assert encode(decode(text)).encode() == raw
        except EncodingError as error:
            assert error.code in {"BASE64", "BASE64URL"}  # noqa: PT017  # either is right


@pytest.mark.parametrize("text", ["eA==", "eA=", "+/", "e A", "eA\n", "e", "eB", "é"])
def test_base64url_is_strict(text: str) -> None:
    with pytest.raises(EncodingError):
        b64url_decode(text)


@pytest.mark.parametrize("text", ["eA", "eA=", "eA===", "-_==", "eA==\n", "eB==", "é"])
def test_base64_is_strict(text: str) -> None:
    with pytest.raises(EncodingError):
        b64std_decode(text)


@given(JSON_VALUES)
def test_json_comes_back(value: Any) -> None:
    assert parse_json(compact_json(value)) == value


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_a24_any_bytes_are_json_or_the_one_error(data: bytes | str) -> None:
    try:
        value = parse_json(data)
    except EncodingError:
        return
    json.dumps(value).encode()


def test_a24_a_member_twice_is_refused_wherever_it_stands() -> None:
    assert code('{"a":1,"a":1}') == "JSON-DUPLICATE"
    assert code('[{"b":{"a":1,"\\u0061":2}}]') == "JSON-DUPLICATE"


def test_a24_depth_is_bounded() -> None:
    assert parse_json("[" * MAX_JSON_DEPTH + "]" * MAX_JSON_DEPTH) is not None
    assert code("[" * (MAX_JSON_DEPTH + 1) + "]" * (MAX_JSON_DEPTH + 1)) == "JSON-DEPTH"
    assert code('{"a":' * 65 + "1" + "}" * 65) == "JSON-DEPTH"
    assert code("[" * 1_000_000) == "JSON-DEPTH"
    assert code("[" * 65) == code('{ "a": [' * 33) == "JSON-DEPTH"
    assert code("[" * 64) == "JSON"


def test_many_objects_side_by_side_are_not_deep() -> None:
    assert len(parse_json("[" + ",".join(["{}"] * 1000) + "]")) == 1000


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (b"\xff", "JSON-UTF8"),
        ("NaN", "JSON"),
        ("[Infinity]", "JSON"),
        ("-Infinity", "JSON"),
        ("", "JSON"),
        ("{} {}", "JSON"),
        ("\ufeff{}", "JSON"),
        ("{'a':1}", "JSON"),
        ('"\\ud800"', "JSON-SURROGATE"),
        ('{"\\udfff":1}', "JSON-SURROGATE"),
        ("1" * 21, "JSON-NUMBER"),
        ("1" * 100_000, "JSON-NUMBER"),
        ("1e999", "JSON-NUMBER"),
        ("-1.5E+400", "JSON-NUMBER"),
    ],
)
def test_a24_json_that_readers_understand_differently_is_refused(text: bytes | str, wanted: str) -> None:
    assert code(text) == wanted


def test_a_surrogate_pair_is_one_character() -> None:
    assert parse_json('"\\ud83d\\ude00"') == "😀"


@pytest.mark.parametrize("number", [2**63, 2**64 - 1, -(2**63), 10**19 - 1])
def test_a24_integers_of_64_bits_are_read_exactly(number: int) -> None:
    assert parse_json(f"[{number}]") == [number]


def test_a24_a_long_number_in_a_text_is_a_text() -> None:
    assert parse_json('["' + "1" * 30 + '", 1]') == ["1" * 30, 1]


@given(st.text("ABCQgwEIMUYcksoz048_-Az19", max_size=9) | st.binary(max_size=40).map(b64url_encode))
def test_base64url_opens_only_to_what_is_encoded_in_the_same_way(text: str) -> None:
    padded = text + "=" * (-len(text) % 4)
    canonical = len(text) % 4 != 1 and base64.urlsafe_b64encode(base64.urlsafe_b64decode(padded)).decode() == padded
    if canonical:
        assert b64url_decode(text) == base64.urlsafe_b64decode(padded)
    else:
        with pytest.raises(EncodingError) as caught:
            b64url_decode(text)
        assert caught.value.code == "BASE64URL"


@given(PLAIN_VALUES)
@example({chr(point): chr(point) for point in range(0x100)} | {"\u2028": "\U0001f600"})
@example([True, False, None, 0, -1, 2**64, -(2**63) - 1, HashAlgorithm.SHA384, {}, []])
def test_the_fast_way_for_what_has_no_fractions_gives_the_same_bytes(value: Any) -> None:
    assert compact_plain(value) == compact_json(value)
    assert compact_plain({"as it is": msgspec.Raw(compact_json(value))}) == compact_json({"as it is": value})


@given(JSON_VALUES)
@example({chr(point): [1e16, 1e-5, chr(point)] for point in range(0x100)} | {"\U0001f600": "", "\uffee": 0.0})
@example({chr(point): {"b": point, "a": chr(point)} for point in range(0x100)} | {"\U0001f600": "", "\uffee": None})
def test_compact_json_is_what_the_standard_library_writes(value: Any) -> None:
    assert compact_json(value).decode() == json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@given(JSON_VALUES)
@example({chr(point): [1e16, 1e-5, chr(point)] for point in range(0x100)} | {"\U0001f600": "", "\uffee": 0.0})
@example({chr(point): {"b": point, "a": chr(point)} for point in range(0x100)} | {"\U0001f600": "", "\uffee": None})
def test_sorted_json_is_the_value_with_its_members_sorted_throughout(value: Any) -> None:
    assert parse_json(sorted_json(value)) == value
    assert sorted_json(value).decode() == json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


@given(JSON_VALUES, st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_a24_every_way_to_write_a_value_is_read_alike(value: Any, escaped: bool, indent: Any) -> None:  # noqa: FBT001
    text = json.dumps(value, ensure_ascii=escaped, indent=indent)
    read = parse_json(text.encode())
    assert (read, json.dumps(read)) == (value, json.dumps(value))  # also 1 and 1.0 and true, and the order of members
    assert json.dumps(parse_json(text)) == json.dumps(parse_json(compact_json(value))) == json.dumps(value)


@given(st.text('{}[]:,"a1\\u0. e-', max_size=14))
def test_a24_the_fast_way_to_read_takes_nothing_that_the_strict_one_refuses(text: str) -> None:
    try:
        slowly = repr(parse_json(text))  # only bytes are read in the fast way
    except EncodingError as error:
        slowly = error.code
    try:
        assert repr(parse_json(text.encode())) == slowly
    except EncodingError as error:
        assert error.code == slowly  # noqa: PT017  # both refuse


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (b'{"a":1,"a":1}', "JSON-DUPLICATE"),
        (b'{"a":{"b":2,"b":2}}', "JSON-DUPLICATE"),
        (b"1" * 21, "JSON-NUMBER"),
        (b"[-" + b"1" * 20 + b"]", "JSON-NUMBER"),
        (b"[" * 65 + b"]" * 65, "JSON-DEPTH"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "JSON-DEPTH"),
        (b'"\\ud800"', "JSON-SURROGATE"),
        (b'"\xed\xa0\x80"', "JSON-UTF8"),
        (b'{"a":1e400}', "JSON-NUMBER"),
        (b"[NaN]", "JSON"),
        (b"{} ", None),
        (b"null", None),
        (b"-0", None),
    ],
)
def test_a24_compact_texts_break_no_rule(text: bytes, wanted: str | None) -> None:
    assert (code(text) if wanted else parse_json(text)) == (wanted or json.loads(text))


def test_half_of_a_surrogate_pair_is_refused_by_both_ways() -> None:
    for encode in (compact_json, compact_plain, sorted_json):
        with pytest.raises(UnicodeEncodeError):
            encode({"x": "\ud800"})
