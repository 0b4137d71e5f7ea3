"""Rules that all backends share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trustee_core.storage.contract import KeyRefusedError
from trustee_core.storage.rules import check_key, check_namespace, expires_at, now_us, reason_against, shown


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("", "key is empty or has an empty segment"),
        ("a//b", "key is empty or has an empty segment"),
        ("/a", "key is empty or has an empty segment"),
        ("a/", "key is empty or has an empty segment"),
        ("a/../b", "key has a segment `.` or `..`"),
        ("./a", "key has a segment `.` or `..`"),
        ("a\0", "key contains invalid characters"),
        ("\udfff", "key is not UTF-8"),
        ("ä" * 257, "key is longer than 512 bytes"),
        ("k" * 513, "key is longer than 512 bytes"),
        ("rvps://", "key is empty or has an empty segment"),
        ("rvps:///", "key is empty or has an empty segment"),
        ("rvps:////a", "key is empty or has an empty segment"),
        ("rvps:///a//b", "key is empty or has an empty segment"),
        ("rvps:///../b", "key has a segment `.` or `..`"),
        ("RVPS:///a", "key is empty or has an empty segment"),
        ("a/rvps:///a", "key is empty or has an empty segment"),
    ],
)
def test_why_a_key_is_refused(key: str, reason: str) -> None:
    assert reason_against(key) == reason


@pytest.mark.parametrize(
    "key",
    [
        "k" * 512,
        "ä" * 256,
        "weird/name with space:1",
        "rvps:///github.com/confidential-containers/kernel:6.1",
        "rvps://a/b",
        "a\nb",
        "a...b",
        ".hidden",
    ],
)
def test_which_keys_are_taken(key: str) -> None:
    assert reason_against(key) is None
    check_key(key)


def test_keys_are_not_normalised() -> None:
    composed, decomposed = "\u00e9", "e\u0301"
    check_key(composed)
    check_key(decomposed)
    assert composed != decomposed


def test_a_refusal_shows_the_key_without_control_characters_and_cut() -> None:
    with pytest.raises(KeyRefusedError) as caught:
        check_key("../\x1b[31m\n" + "k" * 500)
    assert caught.value.message.startswith("failed to set key `../\\x1b[31m\\nkkk")
    assert caught.value.message.endswith("\\u2026`: key has a segment `.` or `..`")
    assert len(caught.value.message) < 150
    assert caught.value.advice


@given(st.text())
def test_any_text_is_a_key_or_refused(key: str) -> None:
    try:
        check_key(key)
    except KeyRefusedError as error:
        assert error.code == "STORAGE-KEY"  # noqa: PT017  # either outcome is right
        error.message.encode()
    else:
        assert 0 < len(key.encode()) <= 512


@given(st.text())
def test_any_text_is_a_namespace_or_refused(name: str) -> None:
    try:
        check_namespace(name)
    except KeyRefusedError as error:
        assert error.code == "STORAGE-NAMESPACE"  # noqa: PT017  # either outcome is right
    else:
        assert name.isascii()


@given(st.text(max_size=200))
def test_what_is_shown_can_be_printed(text: str) -> None:
    assert shown(text).isprintable()
    assert len(shown(text)) <= 10 * 81


@given(st.integers(0, 80 * 365 * 86_400 * 10**6), st.integers(1, 10**9))
def test_a_record_does_not_go_before_its_deadline(elapsed_us: int, left_us: int) -> None:
    now = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(microseconds=elapsed_us)
    deadline = now + timedelta(microseconds=left_us)
    left = deadline.timestamp() - now.timestamp()  # as a caller computes it: with the error of floats
    end = expires_at(lambda: now, left)
    assert end is not None
    assert 0 <= end - now_us(lambda: deadline) <= 1


def test_time_is_in_microseconds() -> None:
    moment = datetime(2026, 11, 22, 10, 46, 4, 250_001, tzinfo=UTC)
    assert now_us(lambda: moment) == 1_795_344_364_250_001
    assert expires_at(lambda: moment, None) is None
    assert expires_at(lambda: moment, 0.5) == 1_795_344_364_750_001
    assert expires_at(lambda: moment, 1e-9) == 1_795_344_364_250_002
    assert expires_at(lambda: moment, -1e300) == 0
    assert expires_at(lambda: moment, 1e300) == 1 << 62
