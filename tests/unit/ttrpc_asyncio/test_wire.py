"""The protobuf wire format: numbers and fields, and each way in which they can be wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ttrpc_asyncio import EnvelopeError
from ttrpc_asyncio.wire import (
    MAX_FIELDS,
    encode_bytes,
    encode_text,
    encode_varint,
    read_fields,
    read_text,
    read_varint,
)


def refusal(data: bytes) -> str:
    with pytest.raises(EnvelopeError) as caught:
        read_fields(data)
    return caught.value.message


@given(st.integers(0, 2**64 - 1))
def test_numbers_come_back(value: int) -> None:
    encoded = encode_varint(value)
    assert read_varint(b"x" + encoded + b"y", 1) == (value, 1 + len(encoded))


@pytest.mark.parametrize(
    ("value", "encoded"), [(0, "00"), (127, "7f"), (128, "8001"), (300, "ac02"), (50_000_000_000, "80e8eda1ba01")]
)
def test_numbers_have_seven_bits_to_a_byte(value: int, encoded: str) -> None:
    assert encode_varint(value).hex() == encoded


@pytest.mark.parametrize(
    ("data", "bits", "message"),
    [
        ("", 64, "Unexpected EOF"),
        ("ffffff", 64, "Unexpected EOF"),
        ("ffffffffffffffffff02", 64, "Incorrect varint"),
        ("ffffffffffffffffffff01", 64, "Incorrect varint"),
        ("ffffffff10", 32, "Incorrect varint"),
        ("8080808080808000", 32, "Incorrect varint"),
    ],
)
def test_bad_numbers_are_refused_in_the_words_of_the_crate(data: str, bits: int, message: str) -> None:
    with pytest.raises(EnvelopeError) as caught:
        read_varint(bytes.fromhex(data), 0, bits)
    assert caught.value.message == message
    assert caught.value.code == "TTRPC-ENVELOPE"


def test_the_largest_numbers_of_each_width_are_read() -> None:
    assert read_varint(bytes.fromhex("ffffffffffffffffff01"), 0) == (2**64 - 1, 10)
    assert read_varint(bytes.fromhex("ffffffff0f"), 0, 32) == (2**32 - 1, 5)


def test_fields_come_in_their_order_and_fixed_ones_are_skipped() -> None:
    data = b"\x20\x05" + b"\x15abcd" + b"\x0a\x02hi" + b"\x19abcdefgh" + b"\x0a\x00"
    assert read_fields(data) == [(0x20, 5), (0x0A, b"hi"), (0x0A, b"")]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("0a05616263", "Unexpected EOF"),
        ("0a", "Unexpected EOF"),
        ("0affffffff7f", "Incorrect varint"),
        ("15616263", "Unexpected EOF"),
        ("19", "Unexpected EOF"),
        ("0200", "Incorrect tag"),
        ("0000", "Incorrect tag"),
        ("0500000000", "Incorrect tag"),
        ("0e", "Incorrect tag"),
        ("0f", "Incorrect tag"),
        ("0b0c", "Unexpected wire type"),
        ("0c", "Unexpected wire type"),
        ("03", "Incorrect tag"),
    ],
)
def test_bad_fields_are_refused(data: str, message: str) -> None:
    assert refusal(bytes.fromhex(data)) == message


def test_a24_a_flood_of_fields_is_refused() -> None:
    assert len(read_fields(b"\x38\x00" * MAX_FIELDS)) == MAX_FIELDS
    with pytest.raises(EnvelopeError) as caught:
        read_fields(b"\x38\x00" * 2_000_000)
    assert caught.value.code == "TTRPC-ENVELOPE-FIELDS"


@given(st.binary(max_size=200))
def test_a24_any_bytes_are_fields_or_the_one_error(data: bytes) -> None:
    try:
        fields = read_fields(data)
    except EnvelopeError:
        return
    assert sum(len(value) for _, value in fields if isinstance(value, bytes)) <= len(data)


def test_texts_are_utf_8() -> None:
    assert encode_text(0x0A, "é") == b"\x0a\x02\xc3\xa9"
    assert encode_text(0x0A, "a\ud800b") == b"\x0a\x03a?b"
    assert read_text(b"\xc3\xa9") == "é"
    with pytest.raises(EnvelopeError, match="Invalid UTF-8 sequence"):
        read_text(b"\xff")


def test_empty_fields_are_left_out() -> None:
    assert encode_bytes(0x0A, b"") == b""
    assert encode_text(0x0A, "") == b""
