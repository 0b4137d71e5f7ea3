"""A `Secret` shows nothing, leaves nothing behind, and compares in constant time."""

from __future__ import annotations

import copy
import hmac
import pickle
from typing import Any

import pytest
from attestack_common.secret import Secret

SECRET = Secret(b"hunter2")


def test_reveal_is_the_way_to_the_bytes() -> None:
    assert SECRET.reveal() == b"hunter2"
    assert len(SECRET) == 7


def test_equal_bytes_are_equal_and_others_are_not() -> None:
    assert Secret(b"hunter2") == SECRET
    assert Secret(b"hunter3") != SECRET
    assert Secret(b"hunter") != SECRET
    assert SECRET != b"hunter2"


def test_a35_comparison_takes_the_same_time_for_any_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[Any, Any]] = []

    def spy(left: bytes, right: bytes) -> bool:
        compared.append((left, right))
        return False

    monkeypatch.setattr(hmac, "compare_digest", spy)
    assert Secret(b"hunter2") != SECRET
    assert compared == [(b"hunter2", b"hunter2")]


@pytest.mark.parametrize("show", [str, repr, "{}".format, "{!r}".format, lambda secret: f"{[secret]}"])
def test_a35_no_text_form_shows_it(show: Any) -> None:
    assert "hunter2" not in show(SECRET)
    assert "Secret(...)" in show(SECRET)


@pytest.mark.parametrize("leak", [hash, pickle.dumps, copy.copy, copy.deepcopy])
def test_a35_it_can_be_neither_hashed_nor_pickled_nor_copied(leak: Any) -> None:
    with pytest.raises(TypeError, match="Secret"):
        leak(SECRET)


def test_a35_it_has_no_dictionary_to_look_into() -> None:
    assert not hasattr(SECRET, "__dict__")
