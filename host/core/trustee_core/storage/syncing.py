"""Waiting until several files are on the disk, with one wait for many of them.

A file system writes what it must for one file with one command to the disk and waits for the answer. Two things let
many files share such commands: the data of all is on its way before the first wait, and several threads wait at once.
The threads live for one call only, so neither a fork nor the end of the process has to know of them.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_THREADS: Final = 8
FILES_PER_THREAD: Final = 4
"""Fewer are waited for sooner than a thread is started."""


def start(file: int) -> None:
    """Let the system begin to write a file's data to the disk, where it knows how to."""
    with suppress(OSError):
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)


def sync_all(files: Sequence[int]) -> list[OSError | None]:
    """Wait until the files are on the disk. Returns the error of each; None: it is there."""
    outcomes: list[BaseException | None] = [None] * len(files)
    rest = list(range(len(files)))

    def run() -> None:
        while True:
            try:
                index = rest.pop()
            except IndexError:
                return
            try:
                os.fsync(files[index])
            except BaseException as error:  # noqa: BLE001  # it is for the caller, not for this thread
                outcomes[index] = error

    helpers = [_started(run) for _ in range(min(MAX_THREADS, len(files) // FILES_PER_THREAD) - 1)]
    run()
    for helper in helpers:
        if helper is not None:
            helper.join()
    return [_of_the_system(outcome) for outcome in outcomes]


def _started(run: Callable[[], None]) -> threading.Thread | None:
    """Start a thread; None: there can be no more, and those that there are do the work."""
    thread = threading.Thread(target=run, name="waiting for the disk", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        return None
    return thread


def _of_the_system(outcome: BaseException | None) -> OSError | None:
    if outcome is None or isinstance(outcome, OSError):
        return outcome
    raise outcome
