"""One namespace of the LocalFs backend: the operations, as they are done on the disk.

Writing: a value is written beside, made durable, and renamed into its place, so that a reader sees the old bytes or
the new ones. All that changes a namespace holds its lock, which no process holds for longer than one operation.

Expiry: a value that expires has a note, one line for each state of the value that a crash could leave: the time in
microseconds since 1970, a space, the SHA-256 of the value in hex. The note is durable before the value gets its name.
A value of which no line speaks does not expire: another program wrote it. Reading takes no lock: the note is read
before and after the value, and if it changed in between, the reader looks again.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from attestack_common.logs import get_logger

from trustee_core.storage.contract import StorageCorruptError
from trustee_core.storage.files import (
    ChangedError,
    TooLargeError,
    escaped,
    exists,
    failure,
    open_folder,
    read_file,
    remove,
)
from trustee_core.storage.local_fs_files import is_folder, is_value, key_of, list_failure
from trustee_core.storage.own_folder import OwnFolder
from trustee_core.storage.rules import MAX_VALUE_SIZE, now_us, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from attestack_common.clock import Clock

NOTES_SWEPT: Final = 4
"""Notes that one write looks at, to remove values that expired: more than it adds."""
MAX_NOTE: Final = 1024
_READ_ATTEMPTS: Final = 3
_NOTE: Final = re.compile(rb"(?:[0-9]{1,19} [0-9a-f]{64}\n){1,8}")
_LOG: Final = get_logger("storage")


@dataclass(frozen=True, slots=True)
class _Line:
    """When the value of this digest expires."""

    expires_at: int
    digest: str


class Namespace:
    """The operations, in the thread that calls them. Keys have been checked before, `lock_wait` is in seconds."""

    def __init__(self, root: str, name: str, *, clock: Clock, lock_wait: float) -> None:
        self._root = root
        self._name = name
        self._clock = clock
        self._own = OwnFolder(root, name, lock_wait)
        self._segments = name.split("/")
        self._to_sweep: list[str] = []

    def make(self) -> None:
        """Make the folder of the values. Raises OSError."""
        os.close(open_folder(self._root, self._segments, create=True))

    def read(self, key: str, limit: int) -> bytes | None:
        """Read a value of at most `limit` bytes without the lock. Raises ChangedError, TooLargeError, StorageError."""
        name = escaped(key)
        try:
            for _ in range(_READ_ATTEMPTS):
                before = self._note(name)
                value = self._value(name, limit)
                if before == self._note(name):
                    return value if value is None or self._alive(value, before) else None
        except OSError as error:
            self._own.report(name, error.strerror or type(error).__name__)
            raise failure(error, "get", key) from None
        raise ChangedError

    def read_waiting(self, key: str) -> bytes | None:
        """Read a value, with the lock if that is needed. Raises StorageError."""
        try:
            return self._present(key)
        except ChangedError:
            with self._own.locked():
                return self._present(key)

    def put(self, key: str, value: bytes, expires: int | None) -> None:
        """Write, replacing whatever is there. Raises StorageError."""
        with self._changing("set", key) as folder:
            self._write(escaped(key), folder, value, expires, replace=True)

    def compare_and_set(self, key: str, expected: bytes | None, value: bytes, expires: int | None) -> bool:
        """Write if the present value is `expected` (None: absent); say whether it was. Raises StorageError."""
        name = escaped(key)
        with self._changing("set", key) as folder:
            if self._present(key) != expected:
                return False
            replace = exists(name, folder)  # also for what is absent because it expired
            return self._write(name, folder, value, expires, replace=replace)

    def delete(self, key: str) -> bool:
        """Delete; say whether there was something to delete. Raises StorageError."""
        name = escaped(key)
        with self._changing("delete", key) as folder:
            try:
                there = self._present(key) is not None
            except StorageCorruptError:
                there = True
            if remove(name, folder):
                os.fsync(folder)  # the note must not be gone before the value is
            self._remove_note(name)
            return there

    def keys(self, prefix: str) -> list[str]:
        """Return the keys that start with `prefix`, sorted; what cannot be served is left out. Raises StorageError."""
        try:
            folder = open_folder(self._root, self._segments)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise list_failure(error) from None
        try:
            with os.scandir(folder) as entries:
                found = [key for entry in entries if (key := self._key(entry, folder, prefix)) is not None]
            noted = frozenset(self._noted())
        except OSError as error:
            raise list_failure(error) from None
        finally:
            os.close(folder)
        return sorted(key for key in found if escaped(key) not in noted or self._is_served(key))

    def _is_served(self, key: str) -> bool:
        try:
            return self.read_waiting(key) is not None
        except StorageCorruptError:
            return False

    def _key(self, entry: os.DirEntry[str], folder: int, prefix: str) -> str | None:
        key = key_of(entry.name)
        if key is None:
            self._own.report(entry.name, "not the name of a key")
        elif key.startswith(prefix):
            if is_value(entry, folder):
                return key
            if not is_folder(entry):  # of another namespace, or of a mounted ConfigMap
                self._own.report(entry.name, "not a regular file")
        return None

    def _present(self, key: str) -> bytes | None:
        try:
            return self.read(key, MAX_VALUE_SIZE)
        except TooLargeError:
            self._own.report(escaped(key), "larger than any value")
            raise StorageCorruptError(
                f"failed to get key `{shown(key)}`: the file is larger than {MAX_VALUE_SIZE} bytes",
                advice="remove the file, or replace it by a smaller one",
            ) from None

    def _value(self, name: str, limit: int) -> bytes | None:
        try:
            folder = open_folder(self._root, self._segments)
        except FileNotFoundError:
            return None
        try:
            return read_file(name, folder, limit)
        except FileNotFoundError:
            return None
        finally:
            os.close(folder)

    def _alive(self, value: bytes, note: tuple[_Line, ...]) -> bool:
        if not note:
            return True
        digest = hashlib.sha256(value).hexdigest()
        return all(line.expires_at > now_us(self._clock) for line in note if line.digest == digest)

    def _write(self, name: str, folder: int, value: bytes, expires: int | None, *, replace: bool) -> bool:
        """Write a value and its note, each step durable before the next. Returns False if the name is taken."""
        digest = hashlib.sha256(value).hexdigest()
        old: tuple[_Line, ...] | None
        try:
            old = self._note(name)
        except StorageCorruptError:
            old = None
        new = () if expires is None else (_Line(expires, digest),)
        others = tuple(line for line in old or () if line.digest != digest)
        if new + others != old:
            self._set_note(name, new + others)
        if not self._own.place(value, name, folder, replace=replace):
            return False
        if others:
            self._set_note(name, new)
        return True

    def _note(self, name: str) -> tuple[_Line, ...]:
        """Read what is noted of a value. Raises StorageCorruptError, OSError."""
        try:
            folder = os.open(self._own.expiry, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return ()
        try:
            text = read_file(name, folder, MAX_NOTE)
        except FileNotFoundError:
            return ()
        except TooLargeError:
            text = b""
        finally:
            os.close(folder)
        if not _NOTE.fullmatch(text):
            self._own.report(name, "the note of its expiry is damaged")
            raise StorageCorruptError(
                f"the note of when {shown(name)} expires is damaged",
                advice=f"write or delete the value again, or remove {self._own.expiry}/{name}",
            )
        return tuple(_Line(int(at), digest) for at, digest in map(str.split, text.decode("ascii").splitlines()))

    def _set_note(self, name: str, note: tuple[_Line, ...]) -> None:
        if not note:
            self._remove_note(name, durably=True)
            return
        text = "".join(f"{line.expires_at} {line.digest}\n" for line in note)
        with self._own.opened("expiry", self._own.name) as folder:
            self._own.place(text.encode("ascii"), name, folder, replace=True)

    def _remove_note(self, name: str, *, durably: bool = False) -> None:
        with self._own.opened("expiry", self._own.name) as folder:
            if remove(name, folder) and durably:
                os.fsync(folder)

    def _noted(self) -> list[str]:
        try:
            with os.scandir(self._own.expiry) as entries:
                return [entry.name for entry in entries]
        except FileNotFoundError:
            return []

    def _sweep(self, folder: int) -> None:
        """Remove a few values that expired, with their notes, and notes of values that are gone."""
        if not self._to_sweep:
            self._to_sweep = self._noted()
        over, expired = [], []
        for _ in range(min(NOTES_SWEPT, len(self._to_sweep))):
            name = self._to_sweep.pop()
            try:
                note = self._note(name)
                if any(line.expires_at > now_us(self._clock) for line in note):
                    continue
                value = self._value(name, MAX_VALUE_SIZE)
            except (OSError, StorageCorruptError, TooLargeError) as error:
                _LOG.warning("not swept", namespace=self._name, file=name, error=error)
                continue
            over.append(name)
            if value is not None and not self._alive(value, note):
                expired.append(name)
        for name in expired:
            remove(name, folder)
        if expired:
            os.fsync(folder)  # a note must not be gone before its value is
        for name in over:
            self._remove_note(name)

    @contextmanager
    def _changing(self, doing: str, key: str) -> Iterator[int]:
        """Hold the lock and give the folder of the values; sweep afterwards."""
        try:
            with self._own.locked():
                folder = open_folder(self._root, self._segments, create=True)
                try:
                    yield folder
                    self._sweep(folder)
                finally:
                    os.close(folder)
        except OSError as error:
            raise failure(error, doing, key) from None
