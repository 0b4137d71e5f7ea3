"""One namespace of the LocalFs backend: how it is read, and who does what changes it.

Reading takes no lock. The value is read, then its note, and then the value's name is looked at again: if it leads to
another file by now, the reader starts anew. While a file has its name, its note speaks of it (`local_fs_batch` sees to
that), so the note that was read in between is right for the value.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, cast

from trustee_core.storage import own_folder
from trustee_core.storage.contract import StorageCorruptError, StorageError, StorageTimeoutError
from trustee_core.storage.files import (
    ChangedError,
    TooLargeError,
    escaped,
    failure,
    open_folder,
    open_with_status,
    read_all,
    read_file,
)
from trustee_core.storage.held_folder import HeldFolder
from trustee_core.storage.local_fs_batch import Round, rounds
from trustee_core.storage.local_fs_files import is_folder, is_value, key_of, list_failure
from trustee_core.storage.local_fs_notes import MAX_NOTE, DamagedNoteError, Note, is_alive, parse_note
from trustee_core.storage.local_fs_sweep import Sweep
from trustee_core.storage.own_folder import OwnFolder
from trustee_core.storage.rules import MAX_VALUE_SIZE, now_us, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attestack_common.clock import Clock

    from trustee_core.storage.gathered import Write
    from trustee_core.storage.held_folder import OpenFolder
    from trustee_core.storage.worker import Job

_READ_ATTEMPTS: Final = 3


class Namespace:
    """The operations, in the thread that calls them. Keys have been checked before, `lock_wait` is in seconds."""

    def __init__(self, root: str, name: str, *, clock: Clock, lock_wait: float) -> None:
        self.own = OwnFolder(root, name, lock_wait)
        self.values = HeldFolder(root, name.split("/"))
        self.notes = HeldFolder(root, (own_folder.NAME, "expiry", self.own.name))
        self.temporary = HeldFolder(root, (own_folder.NAME, "tmp"))
        self.sweep = Sweep(self, name)
        self._root = root
        self._segments = name.split("/")
        self._clock = clock

    def make(self) -> None:
        """Make the folder of the values. Raises OSError."""
        self.values.make()

    def forget(self) -> None:
        """Let go of the folders."""
        for folder in (self.values, self.notes, self.temporary):
            folder.release()

    def now(self) -> int:
        """Return the time in microseconds since 1970."""
        return now_us(self._clock)

    def read(self, key: str, limit: int) -> bytes | None:
        """Read a value of at most `limit` bytes without the lock. Raises ChangedError, TooLargeError, StorageError."""
        name = escaped(key)
        try:
            for _ in range(_READ_ATTEMPTS):
                folder = self.values.find()
                if folder is None:
                    return None
                try:
                    return self._read(name, folder.file, limit)
                except FileNotFoundError:
                    return None
                except ChangedError:
                    continue
        except OSError as error:
            self.own.report(name, error.strerror or type(error).__name__)
            raise failure(error, "get", key) from None
        raise ChangedError

    def read_waiting(self, key: str) -> bytes | None:
        """Read a value, with the lock if that is needed. Raises StorageError."""
        try:
            return self._present(key)
        except ChangedError:
            with self.own.locked():
                return self.present(key)

    def present(self, key: str) -> bytes | None:
        """Read a value. The caller holds the lock. Raises StorageError."""
        try:
            return self._present(key)
        except ChangedError:
            raise StorageTimeoutError(
                f"failed to get key `{shown(key)}`: it changed each time that it was read",
                advice="let no other program write it meanwhile",
            ) from None

    def commit(self, jobs: Sequence[Job]) -> None:
        """Do a batch of `Write`, and set the outcome or the error of each."""
        try:
            with self.own.locked():
                self.own.clear(self.temporary.make().file)
                for some in rounds(jobs):
                    Round(self).run(some)
        except (OSError, StorageError) as error:
            for job in jobs:
                if job.outcome is None and job.error is None:
                    write = cast("Write", job.call)
                    job.error = failure(error, write.doing, write.key) if isinstance(error, OSError) else error

    def keys(self, prefix: str) -> list[str]:
        """Return the keys that start with `prefix`, sorted; what cannot be served is left out. Raises StorageError."""
        try:
            folder = open_folder(self._root, self._segments)  # of its own: a listing moves the descriptor
        except FileNotFoundError:
            return []
        except OSError as error:
            raise list_failure(error) from None
        try:
            with os.scandir(folder) as entries:
                found = [key for entry in entries if (key := self._key(entry, folder, prefix)) is not None]
            noted = frozenset(self.noted())
        except OSError as error:
            raise list_failure(error) from None
        finally:
            os.close(folder)
        return sorted(key for key in found if escaped(key) not in noted or self._is_served(key))

    def noted(self) -> list[str]:
        """Return the names of the values that have a note. Raises OSError."""
        try:
            with os.scandir(self.own.expiry) as entries:
                return [entry.name for entry in entries]
        except FileNotFoundError:
            return []

    def note(self, name: str, folder: OpenFolder | None) -> Note:
        """Read what is noted of a value, in the folder of the notes. Raises StorageCorruptError, OSError."""
        if folder is None:
            return ()
        try:
            return parse_note(read_file(name, folder.file, MAX_NOTE))
        except FileNotFoundError:
            return ()
        except (TooLargeError, DamagedNoteError):
            self.own.report(name, "the note of its expiry is damaged")
            raise StorageCorruptError(
                f"the note of when {shown(name)} expires is damaged",
                advice=f"write or delete the value again, or remove {self.own.expiry}/{name}",
            ) from None

    def _read(self, name: str, folder: int, limit: int) -> bytes | None:
        """Read a value once. Raises FileNotFoundError, ChangedError, TooLargeError, StorageCorruptError, OSError."""
        file, status = open_with_status(name, folder)
        try:
            value = read_all(file, limit, status.st_size)
            note = self.note(name, self.notes.find())
            try:
                named = os.stat(name, dir_fd=folder)
            except OSError:
                raise ChangedError from None
        finally:
            os.close(file)  # not before: while it is open, no other file has its number
        if named.st_ino != status.st_ino or named.st_dev != status.st_dev:
            raise ChangedError
        return value if is_alive(value, note, self.now()) else None

    def _present(self, key: str) -> bytes | None:
        try:
            return self.read(key, MAX_VALUE_SIZE)
        except TooLargeError:
            self.own.report(escaped(key), "larger than any value")
            raise StorageCorruptError(
                f"failed to get key `{shown(key)}`: the file is larger than {MAX_VALUE_SIZE} bytes",
                advice="remove the file, or replace it by a smaller one",
            ) from None

    def _is_served(self, key: str) -> bool:
        try:
            return self.read_waiting(key) is not None
        except StorageCorruptError:
            return False

    def _key(self, entry: os.DirEntry[str], folder: int, prefix: str) -> str | None:
        key = key_of(entry.name)
        if key is None:
            self.own.report(entry.name, "not the name of a key")
        elif key.startswith(prefix):
            if is_value(entry, folder):
                return key
            if not is_folder(entry):  # of another namespace, or of a mounted ConfigMap
                self.own.report(entry.name, "not a regular file")
        return None
