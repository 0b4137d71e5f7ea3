"""Folders that are held open: never another one than the path leads to, and never by way of a link."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING

import pytest
from trustee_core.storage.held_folder import HeldFolder

if TYPE_CHECKING:
    from pathlib import Path


def inode(file: int) -> int:
    return os.fstat(file).st_ino


def test_a_folder_is_opened_once_and_closed_with_its_holder(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    held = HeldFolder(str(tmp_path), ("a", "b"))
    found = held.find()
    assert found is not None
    assert inode(found.file) == (tmp_path / "a" / "b").stat().st_ino
    assert held.find() is found
    assert held.make() is found
    file = found.file
    del held, found
    gc.collect()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(file)


def test_what_is_not_there_is_not_found_and_can_be_made(tmp_path: Path) -> None:
    held = HeldFolder(str(tmp_path), ("a", "b"))
    assert held.find() is None
    assert not (tmp_path / "a").exists()
    made = held.make()
    assert inode(made.file) == (tmp_path / "a" / "b").stat().st_ino
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_another_folder_in_its_place_is_the_one_that_is_used(tmp_path: Path) -> None:
    held = HeldFolder(str(tmp_path), ("n",))
    first = held.make()
    (tmp_path / "n").rename(tmp_path / "moved")
    assert held.find() is None
    (tmp_path / "n").mkdir()
    second = held.find()
    assert second is not None
    assert inode(second.file) == (tmp_path / "n").stat().st_ino
    assert inode(first.file) == (tmp_path / "moved").stat().st_ino  # for who uses it still


@pytest.mark.parametrize("target", ["moved", "other"])
def test_a_link_in_its_place_is_not_followed_wherever_it_leads(tmp_path: Path, target: str) -> None:
    (tmp_path / "other").mkdir()
    held = HeldFolder(str(tmp_path), ("n",))
    held.make()
    (tmp_path / "n").rename(tmp_path / "moved")
    (tmp_path / "n").symlink_to(target)
    for use in (held.find, held.make):
        with pytest.raises(NotADirectoryError):
            use()
