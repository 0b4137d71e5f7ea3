"""The lab's DER writer, against values worked out by hand from X.690."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from tee_lab import der


@pytest.mark.parametrize(
    ("size", "head"),
    [(0, "3000"), (127, "307f"), (128, "308180"), (255, "3081ff"), (256, "30820100"), (65536, "3083010000")],
)
def test_lengths(size: int, head: str) -> None:
    assert der.tlv(0x30, bytes(size)) == bytes.fromhex(head) + bytes(size)


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (0, "020100"),
        (1, "020101"),
        (127, "02017f"),
        (128, "02020080"),
        (255, "020200ff"),
        (256, "02020100"),
        (-1, "0201ff"),
    ],
)
def test_integers(value: int, encoded: str) -> None:
    assert der.integer(value).hex() == encoded


@pytest.mark.parametrize(
    ("dotted", "encoded"),
    [
        ("2.5.4.3", "0603550403"),
        ("1.2.840.113549.1.1.10", "06092a864886f70d01010a"),
        ("1.3.6.1.4.1.3704.1.3.8", "060a2b060104019c78010308"),
    ],
)
def test_object_identifiers(dotted: str, encoded: str) -> None:
    assert der.object_identifier(dotted).hex() == encoded


def test_strings_times_and_tags() -> None:
    moment = datetime(2026, 1, 31, 12, 5, 9, tzinfo=UTC)
    assert der.ia5_string("Milan-B0").hex() == "16084d696c616e2d4230"
    assert der.utf8_string("é").hex() == "0c02c3a9"
    assert der.octet_string(b"\1\2").hex() == "04020102"
    assert der.bit_string(b"\1\2").hex() == "0303000102"
    assert der.set_of(der.integer(1)).hex() == "3103020101"
    assert der.explicit(3, der.integer(2)).hex() == "a303020102"
    assert der.utc_time(moment) == b"\x17\x0d260131120509Z"
    assert der.generalized_time(moment) == b"\x18\x0f20260131120509Z"
