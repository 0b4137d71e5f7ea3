"""One namespace of the LocalJson backend: how its file is read and replaced on the disk.

Writing: operations that wait together are done on one draft of the namespace, which then replaces the file: written
beside, made durable, renamed into its place. All that changes a namespace holds its lock, which no process holds for
longer than one batch. A file that cannot be read is never replaced. Each write drops what has expired.

Expiry: before the file gets its name, the times are durable, both those of the texts that it will have and those of
the texts that it still has, so that a crash in between leaves no value without its time. The file of the times, once
made, stays. Reading takes no lock: the times are looked at before and after the values, and if they changed in
between, the reader looks again.

What was read is kept, up to 32 MiB, and used as long as both files are those that were read. They are held open for
that: no other file can have their numbers meanwhile. A file that another program changes in place gets another time
stamp; where that could be the same one, because the last change is no older than two seconds, nothing is kept.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from trustee_core.storage import own_folder
from trustee_core.storage.contract import StorageCorruptError, StorageError, StorageTimeoutError
from trustee_core.storage.files import UNREADABLE, ChangedError, TooLargeError, io_failure, open_file, open_folder
from trustee_core.storage.held_file import HeldFile, stamp_at, stamp_of
from trustee_core.storage.local_json_document import (
    DamagedError,
    encode_notes,
    encode_values,
    parse_notes,
    parse_values,
)
from trustee_core.storage.local_json_draft import MAX_FILE, Draft, Entry, entries_of, notes_between, value_of
from trustee_core.storage.own_folder import OwnFolder
from trustee_core.storage.rules import now_us, reason_against, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from attestack_common.clock import Clock

    from trustee_core.storage.gathered import Write
    from trustee_core.storage.local_json_document import Notes
    from trustee_core.storage.worker import Job

MAX_KEPT: Final = 32 << 20
"""Bytes of a file of which the values are kept in memory."""
READ_ATTEMPTS: Final = 3

_KEPT_AS_IT_IS: Final = "stays as it is, and nothing in it is served: mend it, or move it away"


class UnreadableError(Exception):
    """A file is there and cannot be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A namespace at one moment, and the files that say so; None: a file that is not there."""

    entries: dict[str, Entry]
    notes: Notes
    values_file: HeldFile | None
    notes_file: HeldFile | None


class Namespace:
    """The operations, in the thread that calls them. Keys have been checked before, `lock_wait` is in seconds."""

    def __init__(self, root: str, name: str, *, clock: Clock, lock_wait: float) -> None:
        self._root = root
        self._clock = clock
        self._own = OwnFolder(root, name, lock_wait)
        *self._folders, self._file = name.split("/")
        self._path = f"{root}/{name}"
        self._kept: Snapshot | None = None

    def make(self) -> None:
        """Make the folder of the file. Raises OSError."""
        os.close(open_folder(self._root, self._folders, create=True))

    def forget(self) -> None:
        """Let go of what was read."""
        self._kept = None

    def read(self, key: str, limit: int) -> bytes | None:
        """Read a value without the lock, if neither the files nor the value's text have more than `limit` bytes.

        Raises ChangedError, TooLargeError, StorageError.
        """
        with self._failing("get", key):
            entries = self._snapshot(limit).entries
        return self._value(entries, key, limit)

    def read_waiting(self, key: str) -> bytes | None:
        """Read a value, with the lock if that is needed. Raises StorageError."""
        with self._failing("get", key):
            entries = self._whole().entries
        return self._value(entries, key, MAX_FILE)

    def keys(self, prefix: str) -> list[str]:
        """Return the keys that start with `prefix`, sorted; what cannot be served is left out. Raises StorageError."""
        with self._failing("list"):
            entries = self._whole().entries
        now = now_us(self._clock)
        found = (key for key, entry in entries.items() if key.startswith(prefix) and entry.alive(now))
        return sorted(key for key in found if self._is_served(key, entries[key]))

    def commit(self, jobs: Sequence[Job]) -> None:
        """Do a batch of `Write`: either all that they change is on the disk, or each of them failed."""
        try:
            with self._own.locked():
                self._commit(jobs)
        except (DamagedError, UnreadableError, OSError, StorageError) as error:
            for job in jobs:
                write = cast("Write", job.call)
                job.error = self._failure(error, write.doing, write.key)

    def _commit(self, jobs: Sequence[Job]) -> None:
        folder = open_folder(self._root, self._folders, create=True)
        try:
            before = self._locked()
            if before.values_file is None and _is_folder(self._file, folder):
                raise IsADirectoryError(errno.EISDIR, "a folder of other namespaces has this name")
            draft = Draft(before.entries, _size(before.values_file), now_us(self._clock))
            for job in jobs:
                try:
                    job.outcome = job.call(draft)
                except StorageError as error:
                    job.error = error
            if draft.changed:
                self._save(before, draft.left(), folder)
        finally:
            os.close(folder)

    def _save(self, before: Snapshot, after: dict[str, Entry], folder: int) -> None:
        """Replace the file, each step durable before the next."""
        notes = notes_between(before.entries, after)
        if notes != before.notes:
            with self._own.opened("expiry") as expiry:
                self._own.place(encode_notes(notes), self._own.name, expiry)
        values = encode_values({key: entry.text for key, entry in after.items()})
        self._own.place(values, self._file, folder)
        with suppress(OSError):  # it is written: what cannot be opened now is read when it is needed
            self._keep(Snapshot(after, notes, HeldFile(open_file(self._file, folder)), self._notes_file()))

    def _keep(self, snapshot: Snapshot) -> None:
        size = max(_size(snapshot.values_file), _size(snapshot.notes_file))
        self._kept = snapshot if size <= MAX_KEPT else None

    def _whole(self) -> Snapshot:
        """Read without the lock, or with it if that is needed. Raises as `_locked`."""
        try:
            return self._snapshot(MAX_FILE)
        except ChangedError:
            with self._own.locked():
                return self._locked()

    def _locked(self) -> Snapshot:
        """Read; the caller holds the lock. Raises StorageTimeoutError, DamagedError, UnreadableError, OSError."""
        try:
            return self._snapshot(MAX_FILE)
        except ChangedError:
            raise StorageTimeoutError(
                f"{self._path} changed each time that it was read", advice="let no other program write it meanwhile"
            ) from None

    def _snapshot(self, limit: int) -> Snapshot:
        """Read both files, if they are not the kept ones.

        Raises ChangedError, TooLargeError (not for MAX_FILE), DamagedError, UnreadableError, OSError.
        """
        try:
            kept = self._kept
            if kept is not None and self._is_current(kept):
                return kept
            for _ in range(READ_ATTEMPTS):
                with suppress(ChangedError):
                    return self._read(limit)
        except OSError as error:
            if error.errno in UNREADABLE:
                raise UnreadableError(error.strerror) from None
            raise
        raise ChangedError

    def _is_current(self, kept: Snapshot) -> bool:
        """Return whether the files are the kept ones; the times first, because a writer replaces them first."""
        files = (self._own.expiry, kept.notes_file), (self._path, kept.values_file)
        return all(stamp_at(path) == stamp_of(file) for path, file in files)

    def _read(self, limit: int) -> Snapshot:
        notes_file, values_file = self._notes_file(), self._values_file()
        size = max(_size(notes_file), _size(values_file))
        if size > MAX_FILE:
            raise UnreadableError(f"it is larger than {MAX_FILE} bytes")
        if size > limit:
            raise TooLargeError
        notes = {} if notes_file is None else self._parsed_notes(notes_file.read())
        texts = {} if values_file is None else parse_values(values_file.read())
        if stamp_at(self._own.expiry) != stamp_of(notes_file):
            raise ChangedError
        snapshot = Snapshot(entries_of(texts, notes), notes, values_file, notes_file)
        if values_file is None or values_file.is_settled():
            self._keep(snapshot)
        return snapshot

    def _parsed_notes(self, data: bytes) -> Notes:
        try:
            return parse_notes(data)
        except DamagedError as error:
            raise UnreadableError(f"{self._own.expiry}, which says when values expire, is damaged: {error}") from None

    def _notes_file(self) -> HeldFile | None:
        return self._held((own_folder.NAME, "expiry"), self._own.name)

    def _values_file(self) -> HeldFile | None:
        with suppress(IsADirectoryError):  # of other namespaces
            return self._held(self._folders, self._file)
        return None

    def _held(self, folders: Sequence[str], name: str) -> HeldFile | None:
        try:
            folder = open_folder(self._root, folders)
        except FileNotFoundError:
            return None
        try:
            return HeldFile(open_file(name, folder))
        except FileNotFoundError:
            return None
        finally:
            os.close(folder)

    def _value(self, entries: Mapping[str, Entry], key: str, limit: int) -> bytes | None:
        """Return a value whose text has no more than `limit` bytes. Raises TooLargeError, StorageError."""
        entry = entries.get(key)
        if entry is None or not entry.alive(now_us(self._clock)):
            return None
        if len(entry.text) > limit:
            raise TooLargeError
        try:
            return value_of(key, entry)
        except StorageCorruptError as error:
            self._own.report(shown(key), error.message)
            raise

    def _is_served(self, key: str, entry: Entry) -> bool:
        reason = reason_against(key)
        if reason is None:
            try:
                value_of(key, entry)
            except StorageCorruptError as error:
                reason = error.message
            else:
                return True
        self._own.report(shown(key), reason)
        return False

    @contextmanager
    def _failing(self, doing: str, key: str = "") -> Iterator[None]:
        try:
            yield
        except (DamagedError, UnreadableError, OSError) as error:
            raise self._failure(error, doing, key) from None

    def _failure(self, error: Exception, doing: str, key: str) -> StorageError:
        """Return what an error means, in upstream's words; `doing` is `get`, `set`, `delete` or `list`."""
        if isinstance(error, StorageError):
            return error
        where = "failed to list keys" if doing == "list" else f"failed to {doing} key `{shown(key)}`"
        if isinstance(error, OSError):
            return io_failure(error, f"{where}: {error.strerror or type(error).__name__}")
        if isinstance(error, UnreadableError):
            text = f"{where}: failed to read the file: {error}"
        else:
            where = "malformed value" if doing in {"get", "set"} else where
            text = f"{where}: failed to deserialize the file: {error}"
        self._own.report(self._path, str(error))
        return StorageCorruptError(text, advice=f"{self._path} {_KEPT_AS_IT_IS}")


def _size(file: HeldFile | None) -> int:
    return 0 if file is None else file.size


def _is_folder(name: str, folder: int) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False
