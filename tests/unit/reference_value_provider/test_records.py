"""Stored records, in the bytes that upstream writes."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference_value_provider.errors import RecordError
from reference_value_provider.records import Record

from tests.unit.reference_value_provider.conftest import RECORDED_AT, WIRE, recorded

FILES = sorted((WIRE / "stores" / "localfs" / "reference_value").iterdir())
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_recorded_files_are_read_and_written_alike(path: Any) -> None:
    data = path.read_bytes()
    record = Record.parse(data)
    assert record.name == path.name
    assert record.expiration == datetime(2027, 11, 22, 10, 46, 4, tzinfo=UTC)
    assert record.to_json() == data
    assert Record.new(record.name, record.value, RECORDED_AT).to_json() == data


def test_recorded_values_of_local_json_are_read_and_written_alike() -> None:
    for name, encoded in recorded("stores/localjson/reference_value").items():
        data = base64.urlsafe_b64decode(encoded)
        record = Record.parse(data)
        assert record.name == name
        assert record.to_json() == data
    nested = Record.parse(
        base64.urlsafe_b64decode(recorded("stores/localjson/reference_value")["weird/name with space:1"])
    )
    assert nested.value == {"nested": [1, True, None, "x"]}


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-11-22T10:46:04.999999+00:00", "2027-11-22T10:46:04+00:00"),
        ("2027-12-31T23:59:59+00:00", "2028-12-31T23:59:59+00:00"),
        ("2027-02-28T00:00:00+00:00", "2028-02-28T00:00:00+00:00"),
        ("2028-02-29T12:00:00+00:00", "2029-02-28T12:00:00+00:00"),
        ("2026-11-22T01:30:00+05:00", "2027-11-21T20:30:00+00:00"),
    ],
)
def test_a_value_is_good_for_twelve_calendar_months(now: str, end: str) -> None:
    record = Record.new("svn", 1, datetime.fromisoformat(now))
    assert record.expiration.isoformat() == end
    assert not record.expired(record.expiration)
    assert record.expired(record.expiration + timedelta(microseconds=1))


def test_members_of_a_value_are_sorted_and_only_what_must_be_is_escaped() -> None:
    record = Record.new('ä"\\', {"b": {"z": 1, "é": 2, "a": "\x01\n\u2028\x7f"}, "a": [1.5, True, None]}, RECORDED_AT)
    assert (
        record.to_json()
        == (
            '{"version":"0.1.0","name":"ä\\"\\\\","expiration":"2027-11-22T10:46:04Z",'
            '"value":{"a":[1.5,true,null],"b":{"a":"\\u0001\\n\u2028\x7f","z":1,"é":2}}}'
        ).encode()
    )


def test_the_version_may_be_missing_and_is_kept() -> None:
    without = b'{"name":"svn","expiration":"2027-11-22T10:46:04Z","value":null,"more":1}'
    assert Record.parse(without) == Record("svn", datetime(2027, 11, 22, 10, 46, 4, tzinfo=UTC), None, "0.1.0")
    other = b'{"version":"1.0","name":"svn","expiration":"2027-11-22T10:46:04Z","value":1}'
    assert Record.parse(other).to_json() == other


@pytest.mark.parametrize("end", ["0001-01-01T00:00:00Z", "0999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"])
def test_any_year_is_written_with_four_digits(end: str) -> None:
    stored = f'{{"version":"0.1.0","name":"a","expiration":"{end}","value":1}}'.encode()
    assert Record.parse(stored).to_json() == stored


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"junk",
        b"[]",
        b"null",
        b'{"version":1,"name":"a","expiration":"2027-11-22T10:46:04Z","value":1}',
        b'{"name":1,"expiration":"2027-11-22T10:46:04Z","value":1}',
        b'{"expiration":"2027-11-22T10:46:04Z","value":1}',
        b'{"name":"a","value":1}',
        b'{"name":"a","expiration":"2027-11-22T10:46:04Z"}',
        b'{"name":"a","expiration":1,"value":1}',
        b'{"name":"a","expiration":null,"value":1}',
        b'{"name":"a","expiration":"2027-11-22","value":1}',
        b'{"name":"a","expiration":"2027-13-22T10:46:04Z","value":1}',
        b'{"name":"a","expiration":"2027-11-22T10:46:04+01:00","value":1}',
        b'{"name":"a","expiration":"2027-11-22T10:46:04.5Z","value":1}',
        b'{"name":"a","name":"b","expiration":"2027-11-22T10:46:04Z","value":1}',
        b'{"version":"0.1.0","name":"a","expired":"2027-11-22T10:46:04Z","hash-value":[{"alg":"sha256","value":"x"}]}',
    ],
)
def test_what_is_no_record_is_refused(data: bytes) -> None:
    with pytest.raises(RecordError) as caught:
        Record.parse(data)
    assert caught.value.code == "RVPS-RECORD"
    assert caught.value.message == "deserialize reference value"
    assert caught.value.advice == "register the value again"


@given(st.binary(max_size=200))
def test_any_bytes_are_a_record_or_refused(data: bytes) -> None:
    try:
        Record.parse(data)
    except RecordError as error:
        assert error.code == "RVPS-RECORD"  # noqa: PT017  # either outcome is right


@given(TEXTS, VALUES)
def test_a_record_comes_back_as_it_was(name: str, value: Any) -> None:
    record = Record.new(name, value, RECORDED_AT)
    again = Record.parse(record.to_json())
    assert again == record
    assert again.to_json() == record.to_json()
