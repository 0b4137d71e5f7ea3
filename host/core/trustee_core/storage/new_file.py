"""Files that are written beside, and get their names when they are on the disk."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from trustee_core.storage.files import NoLinksError, begin_new, link, move, remove
from trustee_core.storage.syncing import start, sync_all

if TYPE_CHECKING:
    from collections.abc import Sequence


class NewFile:
    """A file that has only the name that it has beside. Its data is on the way to the disk."""

    __slots__ = ("_folder", "_name", "error", "file")

    def __init__(self, name: str, folder: int, data: bytes) -> None:
        self.file = begin_new(name, folder, data)
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
            os.close(self.file)
            if self._name:
                remove(self._name, self._folder)


def sync(files: Sequence[NewFile]) -> None:
    """Wait until the files are on the disk, and set the error of those that are not."""
    for file, error in zip(files, sync_all([file.file for file in files]), strict=True):
        file.error = error
