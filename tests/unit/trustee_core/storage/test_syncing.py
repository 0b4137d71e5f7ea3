"""Waiting for several files at once: every file is waited for, and each error belongs to its file."""

from __future__ import annotations

import errno
import os
import threading
from typing import TYPE_CHECKING

import pytest
from trustee_core.storage.syncing import FILES_PER_THREAD, MAX_THREADS, start, sync_all

if TYPE_CHECKING:
    from collections.abc import Callable

MANY = list(range(1000, 1000 + FILES_PER_THREAD * MAX_THREADS))


def played(monkeypatch: pytest.MonkeyPatch, sync: Callable[[int], None] = lambda _: None) -> list[tuple[int, str]]:
    """Let files be synced by `sync`: which file, and by which thread."""
    synced: list[tuple[int, str]] = []

    def fsync(file: int) -> None:
        synced.append((file, threading.current_thread().name))
        sync(file)

    monkeypatch.setattr(os, "fsync", fsync)
    return synced


def test_every_file_is_waited_for_once_and_several_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    all_wait = threading.Barrier(MAX_THREADS, timeout=10)

    def wait(_: int) -> None:
        all_wait.wait()

    synced = played(monkeypatch, wait)
    assert sync_all(MANY) == [None] * len(MANY)
    assert sorted(file for file, _ in synced) == MANY
    assert {thread for _, thread in synced} == {threading.current_thread().name, "waiting for the disk"}


def test_few_files_are_waited_for_by_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    synced = played(monkeypatch)
    assert sync_all([]) == []
    assert sync_all(MANY[:FILES_PER_THREAD]) == [None] * FILES_PER_THREAD
    assert {thread for _, thread in synced} == {threading.current_thread().name}


def test_where_there_can_be_no_more_threads_the_caller_waits_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    synced = played(monkeypatch)
    monkeypatch.setattr(threading.Thread, "start", refused)
    assert sync_all(MANY) == [None] * len(MANY)
    assert sorted(file for file, _ in synced) == MANY


def test_each_file_has_its_own_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(file: int) -> None:
        if file % 3 == 0:
            raise OSError(errno.EIO, str(file))

    played(monkeypatch, broken)
    errors = sync_all(MANY)
    assert [None if error is None else error.strerror for error in errors] == [
        None if file % 3 else str(file) for file in MANY
    ]


@pytest.mark.parametrize("bad", [MANY[0], MANY[-1]])
def test_what_is_no_error_of_the_system_is_never_taken_for_success(monkeypatch: pytest.MonkeyPatch, bad: int) -> None:
    def broken(file: int) -> None:
        if file == bad:
            raise MemoryError

    played(monkeypatch, broken)
    with pytest.raises(MemoryError):
        sync_all(MANY)


def test_a_file_whose_data_cannot_be_started_is_left_to_the_wait() -> None:
    reader, writer = os.pipe()
    start(writer)  # ESPIPE
    os.close(reader)
    os.close(writer)
