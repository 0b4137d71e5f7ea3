"""Files that are written beside, and get their names when they are on the disk."""

from __future__ import annotations

import os
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING

from trustee_core.storage.files import NoLinksError, begin_new, link, move, remove
from trustee_core.storage.syncing import start, sync_all

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trustee_core.storage.held_folder import OpenFolder


class NewFile:
    """A file that has only the name that it has beside. Its data is on the way to the disk."""

    __slots__ = ("__weakref__", "_close", "_folder", "_name", "error", "file")

    def __init__(self, name: str, folder: int, data: bytes) -> None:
        self.file = begin_new(name, folder, data)
        self._close = weakref.finalize(self, os.close, self.file)
        self.error: OSError | None = None
        """Why it is not on the disk."""
        self._name = name
        self._folder = folder
        start(self.file)

    def rename(self, name: str, folder: int) -> None:
        """Give it its name, replacing what has it. Raises OSError."""
        os.rename(self._name, name, src_dir_fd=self._folder, dst_dir_fd=folder)
        self._name = ""

    def add_name(self, name: str, folder: int) -> bool:
        """Give it one name more if that is free; say whether it was. Raises NoLinksError, OSError."""
        return link(self._name, name, self._folder, folder)

    def take_name(self, name: str, folder: int) -> bool:
        """Give it its name if that is free; say whether it was. Raises OSError."""
        try:
            return self.add_name(name, folder)
        except NoLinksError:
            return move(self._name, name, self._folder, folder)

    def discard(self) -> None:
        """Close it, and take the name away that it has beside; what cannot be done now is left to the next batch."""
        with suppress(OSError):
            self._close()
            if self._name:
                remove(self._name, self._folder)


class Beside:
    """The files that one round writes beside. `names` gives each of them a name of its own, by its number."""

    def __init__(self, folder: OpenFolder, names: Callable[[int], str]) -> None:
        self._folder = folder
        self._names = names
        self._files: list[NewFile] = []

    def write(self, data: bytes) -> NewFile:
        """Write a file. Raises OSError."""
        file = NewFile(self._names(len(self._files)), self._folder.file, data)
        self._files.append(file)
        return file

    def discard(self) -> None:
        """Let go of all of them."""
        for file in self._files:
            file.discard()


def sync(files: Sequence[NewFile]) -> None:
    """Wait until the files are on the disk, and set the error of those that are not."""
    for file, error in zip(files, sync_all([file.file for file in files]), strict=True):
        file.error = error
