"""Folders that are held open, so that working in them does not walk to them each time."""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING

from trustee_core.storage.files import open_folder

if TYPE_CHECKING:
    from collections.abc import Sequence


class OpenFolder:
    """A folder, open for as long as this object lives. It takes over the descriptor."""

    __slots__ = ("__weakref__", "file", "identity")

    def __init__(self, file: int) -> None:
        weakref.finalize(self, os.close, file)
        self.file = file
        """The descriptor, as an anchor for names; two who list it take each other's entries."""
        status = os.fstat(file)
        self.identity = status.st_dev, status.st_ino


class HeldFolder:
    """A folder below a root, for all threads. It is opened again when its path leads to another one."""

    def __init__(self, root: str, segments: Sequence[str]) -> None:
        self._root = root
        self._segments = tuple(segments)
        self._path = "/".join((root, *segments))
        self._open: OpenFolder | None = None

    def find(self) -> OpenFolder | None:
        """Return the folder; None: it is not there. Raises OSError."""
        try:
            return self._current(os.lstat(self._path)) or self._opened(create=False)
        except FileNotFoundError:
            return None

    def make(self) -> OpenFolder:
        """Return the folder, made if it is not there. Raises OSError."""
        return self.find() or self._opened(create=True)

    def release(self) -> None:
        """Let go of it until it is asked for again."""
        self._open = None

    def _current(self, status: os.stat_result) -> OpenFolder | None:
        """Return the folder that is open if it is the one at the path: while it is open no other has its number."""
        held = self._open
        return held if held is not None and (status.st_dev, status.st_ino) == held.identity else None

    def _opened(self, *, create: bool) -> OpenFolder:
        self._open = opened = OpenFolder(open_folder(self._root, self._segments, create=create))
        return opened
