"""Files that were read and are held open, so that no other file can be taken for them."""

from __future__ import annotations

import os
import time
import weakref
from typing import Final

from trustee_core.storage.files import ChangedError, TooLargeError, read_all

SETTLED: Final = 2.0
"""Seconds after which a change in place shows in a file's time stamp, on every common file system."""

Stamp = tuple[int, int, int, int, int]
"""Device, number, bytes, and in nanoseconds since 1970 the last change of content and of anything."""


def stamp_at(path: str) -> Stamp | None:
    """Return the stamp of what lies at a path; None: nothing does. Raises OSError."""
    try:
        return _stamp(os.stat(path))  # noqa: PTH116  # on the path of every read
    except FileNotFoundError:
        return None


def stamp_of(file: HeldFile | None) -> Stamp | None:
    """Return the stamp that a file had when it was opened; None: it was not there."""
    return None if file is None else file.stamp


class HeldFile:
    """A file, open for as long as this object lives. It takes over the descriptor."""

    def __init__(self, file: int) -> None:
        weakref.finalize(self, os.close, file)
        self._file = file
        self.stamp = _stamp(os.fstat(file))

    @property
    def size(self) -> int:
        """Bytes."""
        return self.stamp[2]

    def is_settled(self) -> bool:
        """Return whether every later change in place will show in the stamp."""
        return time.time() - self.stamp[4] / 1e9 > SETTLED

    def read(self) -> bytes:
        """Read it whole, once. Raises ChangedError, OSError."""
        try:
            data = read_all(self._file, self.size)
        except TooLargeError:
            raise ChangedError from None
        if _stamp(os.fstat(self._file))[:4] != self.stamp[:4]:  # the last one changes when the name goes to another
            raise ChangedError
        return data


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
