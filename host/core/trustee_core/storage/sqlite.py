"""Storage in one SQLite file, shared by all processes of one machine. The default of `trustee run`.

Each operation is one SQL statement, so SQLite makes it atomic, between processes too. How the file is made, and what a
crash can cost, stands in `sqlite_file`.

Where the work is done was measured (1 KiB values, microseconds): a read takes 3 on the loop's thread and 30 by way of
another thread; a durable write takes 140 here and as long as the disk likes elsewhere. So reads of up to 64 KiB are
done at once, on a connection of the calling thread that never waits for a lock; writes go to one worker, which makes
one transaction, with one wait for the disk, of all that wait for it. Large values, listings, and reads that meet a
lock go to a second worker.

Connections are never carried into a forked child: it opens its own.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from attestack_common.clock import Clock, system_clock

from trustee_core.storage import sqlite_file
from trustee_core.storage.contract import StorageTimeoutError
from trustee_core.storage.rules import (
    MAX_VALUE_SIZE,
    check_key,
    check_namespace,
    check_value,
    expires_at,
    is_text,
    now_us,
    reason_against,
)
from trustee_core.storage.settings import Settings
from trustee_core.storage.worker import TIME_LIMIT, Worker, closed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from trustee_core.storage.worker import Job

DEFAULT_PATH: Final = "/opt/confidential-containers/storage/attestack.sqlite"
LOCK_WAIT: Final = 5.0
"""Seconds to wait for another process's transaction."""
INLINE_SIZE: Final = 64 << 10
"""Bytes of a value up to which it is read on the calling thread."""
SWEPT_PER_WRITE: Final = 2
"""Expired values that are removed for each write of a batch: more than a write can add."""
MIN_SWEPT: Final = 16

_LAST_POINT: Final = 0x10FFFF
_BEFORE_SURROGATES: Final = 0xD7FF
_AFTER_SURROGATES: Final = 0xE000

_GET: Final = (
    "SELECT CASE WHEN length(value) <= ? THEN value END, length(value) FROM entries "
    "WHERE namespace = ? AND key = ? AND (expires_at IS NULL OR expires_at > ?)"
)
_PUT: Final = (
    "INSERT INTO entries (namespace, key, expires_at, value) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (namespace, key) DO UPDATE SET expires_at = excluded.expires_at, value = excluded.value"
)
_PUT_IF_ABSENT: Final = _PUT + " WHERE entries.expires_at <= ?"
_COMPARE_AND_SET: Final = (
    "UPDATE entries SET expires_at = ?, value = ? "
    "WHERE namespace = ? AND key = ? AND value = ? AND (expires_at IS NULL OR expires_at > ?)"
)
_DELETE: Final = "DELETE FROM entries WHERE namespace = ? AND key = ? AND (expires_at IS NULL OR expires_at > ?)"
_KEYS: Final = (
    "SELECT key FROM entries WHERE namespace = ? AND (expires_at IS NULL OR expires_at > ?) AND key >= ? ORDER BY key"
)
_KEYS_BETWEEN: Final = (
    "SELECT key FROM entries WHERE namespace = ? AND (expires_at IS NULL OR expires_at > ?) AND key >= ? AND key < ? "
    "ORDER BY key"
)
_SWEEP: Final = (
    "DELETE FROM entries WHERE rowid IN (SELECT rowid FROM entries WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)"
)


def open_backend(settings: Mapping[str, object]) -> SqliteBackend:
    """Open the file that `path` names. Raises ConfigError, StorageCorruptError, StorageTimeoutError."""
    table = Settings("sqlite", settings)
    path = table.path("path", DEFAULT_PATH)
    table.done()
    return SqliteBackend(Path(path))


class SqliteBackend:
    """One file. `lock_wait` and `time_limit` are in seconds."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock = system_clock,
        lock_wait: float = LOCK_WAIT,
        time_limit: float = TIME_LIMIT,
    ) -> None:
        self.clock = clock
        self._path = path.absolute()
        self._lock_wait = lock_wait
        sqlite_file.create(self._path, lock_wait)
        self._writes = Worker(
            f"the SQLite writer of {path}", self._commit, time_limit=time_limit, finish=self._close_writer
        )
        self._reads = Worker(f"the SQLite reader of {path}", time_limit=time_limit)
        self._writer: sqlite3.Connection | None = None
        self._readers = _Readers()
        self._closed = False
        _BACKENDS.add(self)

    def namespace(self, name: str) -> SqliteStore:
        """Open a namespace; all who open it see the same values. Raises KeyRefusedError."""
        check_namespace(name)
        return SqliteStore(self, name)

    async def close(self) -> None:
        """Finish the writes that wait, and close the connections of this process."""
        self._closed = True
        await self._writes.close()
        await self._reads.close()
        self._readers.close()

    def read_now(self, statement: str, parameters: tuple[object, ...]) -> tuple[bytes | None, int] | None:
        """Read one row on this thread. Raises StorageTimeoutError at once if a lock is in the way."""
        if self._closed:
            raise closed(f"the SQLite store {self._path}")
        try:
            row: tuple[bytes | None, int] | None = (
                self._readers.mine(self._path, 0.0).execute(statement, parameters).fetchone()
            )
        except sqlite3.Error as error:
            raise sqlite_file.translated(error, self._path) from None
        return row

    async def read(self, statement: str, parameters: tuple[object, ...]) -> list[tuple[bytes | str, int]]:
        """Read rows on the reader's thread, waiting for locks. Raises StorageError."""

        def rows() -> list[tuple[bytes | str, int]]:
            try:
                return self._readers.mine(self._path, self._lock_wait).execute(statement, parameters).fetchall()
            except sqlite3.Error as error:
                raise sqlite_file.translated(error, self._path) from None

        return await self._reads.do(rows)

    async def write(self, change: Callable[[sqlite3.Connection], int]) -> bool:
        """Make a change durable; say whether it changed a row. Raises StorageError."""
        return await self._writes.do(change) > 0

    def _commit(self, batch: Sequence[Job]) -> None:
        """Make one transaction of all jobs: either all of them are on the disk, or each of them failed."""
        try:
            if self._writer is None:
                self._writer = sqlite_file.connect(self._path, 0.0, write=True)
            connection = self._writer
            sqlite_file.begin(connection, self._lock_wait)
            for job in batch:
                job.outcome = job.call(connection)
            connection.execute(_SWEEP, (now_us(self.clock), MIN_SWEPT + SWEPT_PER_WRITE * len(batch)))
            connection.execute("COMMIT")
        except BaseException as error:
            self._close_writer()  # which rolls back; the next batch gets a new connection
            if not isinstance(error, sqlite3.Error):
                raise
            for job in batch:
                job.error = sqlite_file.translated(error, self._path)

    def _close_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def forget(self) -> None:
        """Leave the parent's connections alone, neither used nor closed. Called in a forked child."""
        _INHERITED.append((self._writer, self._readers))
        self._writer = None
        self._readers = _Readers()


class _Readers:
    """One connection for each thread that reads."""

    def __init__(self) -> None:
        self._local = threading.local()
        self._all: list[sqlite3.Connection] = []

    def mine(self, path: Path, lock_wait: float) -> sqlite3.Connection:
        """Return the connection of the calling thread. Raises sqlite3.Error."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite_file.connect(path, lock_wait, write=False)
            self._local.connection = connection
            self._all.append(connection)
        return connection

    def close(self) -> None:
        """Close the connections of all threads. No thread may read any more."""
        while self._all:
            self._all.pop().close()


class SqliteStore:
    """One namespace."""

    def __init__(self, backend: SqliteBackend, name: str) -> None:
        self._backend = backend
        self._name = name

    def check_key(self, key: str) -> None:
        """Raise KeyRefusedError if the key cannot be kept."""
        check_key(key)

    async def get(self, key: str) -> bytes | None:
        """Return the value, or None. Raises StorageError."""
        if reason_against(key) is not None:
            return None
        where = (self._name, key, now_us(self._backend.clock))
        try:
            row = self._backend.read_now(_GET, (INLINE_SIZE, *where))
        except StorageTimeoutError:
            row = None
        else:
            if row is None:
                return None
            if row[0] is not None:
                return row[0]
        rows = await self._backend.read(_GET, (MAX_VALUE_SIZE, *where))
        return cast("bytes | None", rows[0][0]) if rows else None

    async def put(self, key: str, value: bytes, *, ttl: float | None = None) -> None:
        """Write, replacing whatever is there. Raises KeyRefusedError, ValueRefusedError, StorageError."""
        row = self._row(key, value, ttl)
        await self._backend.write(lambda connection: connection.execute(_PUT, row).rowcount)

    async def put_if_absent(self, key: str, value: bytes, *, ttl: float | None = None) -> bool:
        """Write if the key is absent; say whether it was. Raises KeyRefusedError, ValueRefusedError, StorageError."""
        row, clock = self._row(key, value, ttl), self._backend.clock
        return await self._backend.write(
            lambda connection: connection.execute(_PUT_IF_ABSENT, (*row, now_us(clock))).rowcount
        )

    async def compare_and_set(
        self, key: str, expected: bytes | None, value: bytes, *, ttl: float | None = None
    ) -> bool:
        """Write if the present value is `expected`; say whether it was.

        Raises KeyRefusedError, ValueRefusedError, StorageError.
        """
        if expected is None:
            return await self.put_if_absent(key, value, ttl=ttl)
        _, _, expires, new = self._row(key, value, ttl)
        where, clock = (self._name, key, expected), self._backend.clock
        return await self._backend.write(
            lambda connection: connection.execute(_COMPARE_AND_SET, (expires, new, *where, now_us(clock))).rowcount
        )

    async def delete(self, key: str) -> bool:
        """Delete; say whether there was something to delete. Raises StorageError."""
        if reason_against(key) is not None:
            return False
        where, clock = (self._name, key), self._backend.clock
        return await self._backend.write(
            lambda connection: connection.execute(_DELETE, (*where, now_us(clock))).rowcount
        )

    async def keys(self, prefix: str = "") -> list[str]:
        """Return the keys that start with `prefix`, sorted by code points. Raises StorageError."""
        if not is_text(prefix):
            return []
        where = (self._name, now_us(self._backend.clock), prefix)
        end = successor(prefix)
        if end is None:
            rows = await self._backend.read(_KEYS, where)
        else:
            rows = await self._backend.read(_KEYS_BETWEEN, (*where, end))
        return [cast("str", row[0]) for row in rows]

    def _row(self, key: str, value: bytes, ttl: float | None) -> tuple[str, str, int | None, bytes]:
        check_key(key)
        check_value(value)
        return (self._name, key, expires_at(self._backend.clock, ttl), value)


def successor(prefix: str) -> str | None:
    """Return the first text after all those that start with `prefix`, by code points; None if none comes after."""
    for index in range(len(prefix) - 1, -1, -1):
        point = ord(prefix[index])
        if point < _LAST_POINT:
            following = _AFTER_SURROGATES if point == _BEFORE_SURROGATES else point + 1
            return prefix[:index] + chr(following)
    return None


def _forget_all() -> None:
    for backend in list(_BACKENDS):
        backend.forget()


_INHERITED: Final[list[object]] = []
"""What a forked child must not touch, and so must not release either."""
_BACKENDS: Final[weakref.WeakSet[SqliteBackend]] = weakref.WeakSet()
os.register_at_fork(after_in_child=_forget_all)
