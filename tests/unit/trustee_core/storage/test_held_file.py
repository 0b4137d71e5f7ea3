"""Files that were read and are held open."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from trustee_core.storage.files import ChangedError
from trustee_core.storage.held_file import SETTLED, HeldFile, stamp_at, stamp_of

if TYPE_CHECKING:
    from pathlib import Path


def held(path: Path) -> HeldFile:
    return HeldFile(os.open(path, os.O_RDONLY | os.O_CLOEXEC))


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    file = held(path)
    assert file.size == 7
    assert file.read() == b"content"
    assert stamp_at(str(path)) == file.stamp == stamp_of(file)


def test_nothing_has_no_stamp(tmp_path: Path) -> None:
    assert stamp_at(str(tmp_path / "file")) is None
    assert stamp_of(None) is None


@pytest.mark.parametrize("content", [b"longer than before", b"short", b""])
def test_a_file_that_changed_is_not_read(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    file = held(path)
    path.write_bytes(content)
    with pytest.raises(ChangedError):
        file.read()


def test_a_file_that_was_replaced_is_another_one(tmp_path: Path) -> None:
    path, beside = tmp_path / "file", tmp_path / "beside"
    path.write_bytes(b"content")
    file = held(path)
    for _ in range(20):
        beside.write_bytes(b"content")
        beside.replace(path)
        assert stamp_at(str(path)) != file.stamp
    assert file.read() == b"content"


@pytest.mark.parametrize(("age", "settled"), [(-100.0, False), (0.0, False), (SETTLED, False), (SETTLED + 0.1, True)])
def test_a_file_settles_with_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age: float, settled: object) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    file = held(path)
    monkeypatch.setattr("time.time", lambda: file.stamp[4] / 1e9 + age)
    assert file.is_settled() is settled


def test_a_file_is_closed_with_its_object(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    file = HeldFile(descriptor)
    assert os.fstat(descriptor).st_size == 7
    del file
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
