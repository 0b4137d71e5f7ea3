"""The file of the SQLite backend: how it is made, opened and checked, and what SQLite's errors mean.

    entries(namespace TEXT, key TEXT, expires_at INTEGER or null, value BLOB), primary key (namespace, key)

`expires_at` is in microseconds since 1970 and stands before the value, so that looking at it does not read the value.
`application_id` is 0x41545354 ("ATST"), `user_version` is the version of this schema; a file with another id, or of a
newer version, is refused. The file has mode 0600, and SQLite gives its companions `-wal` and `-shm` the same.

Durability: the journal is a write-ahead log, and a commit returns after the log is on the disk (synchronous=FULL),
also for values with a time to live. A session that is lost would only cost its guest a retry, were it not that the
session's record is also the proof that its nonce has been used: were a power failure to take the record back, the
same nonce could be spent twice. Commits that wait together share one wait for the disk, so this costs little.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from attestack_common.errors import ConfigError
from attestack_common.logs import get_logger

from trustee_core.storage.contract import StorageCorruptError, StorageError, StorageTimeoutError

if TYPE_CHECKING:
    from pathlib import Path

APPLICATION_ID: Final = 0x41545354
SCHEMA_VERSION: Final = 1
MIN_SQLITE: Final = (3, 37, 0)
"""The first version with STRICT tables."""

_LOG: Final = get_logger("storage")
_RETRY: Final = 0.02
_TURN: Final = 0.001
"""Seconds between two looks whether another process has ended its transaction, which takes some milliseconds."""
_CACHED_STATEMENTS: Final = 32
_SCHEMA: Final = (
    """CREATE TABLE entries (
         namespace TEXT NOT NULL,
         key TEXT NOT NULL,
         expires_at INTEGER,
         value BLOB NOT NULL,
         PRIMARY KEY (namespace, key)
       ) STRICT""",
    "CREATE INDEX entries_expiry ON entries (expires_at) WHERE expires_at IS NOT NULL",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)


def create(path: Path, lock_wait: float) -> None:
    """Make the file if it is not there, and check it if it is.

    Raises ConfigError: the file cannot be made, or is something else. Raises StorageCorruptError, StorageTimeoutError.
    """
    if sqlite3.sqlite_version_info < MIN_SQLITE:
        raise refused(path, f"SQLite {sqlite3.sqlite_version} is too old", "install SQLite 3.37 or newer")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _touch(path)
    except OSError as error:
        raise refused(path, error.strerror or str(error), "name a file in a folder that this user may write") from None
    deadline = time.monotonic() + lock_wait
    while True:
        try:
            _prepare(path, lock_wait)
        except sqlite3.Error as error:
            failure = translated(error, path)
            # SQLite does not wait for the lock that it needs to change the journal's mode: the wait is here.
            if not isinstance(failure, StorageTimeoutError) or time.monotonic() > deadline:
                raise failure from None
            time.sleep(_RETRY)
        else:
            return


def connect(path: Path, lock_wait: float, *, write: bool) -> sqlite3.Connection:
    """Open a connection to a file that `create` has checked. `lock_wait`: seconds. Raises sqlite3.Error."""
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode=rw",
        uri=True,
        timeout=lock_wait,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_CACHED_STATEMENTS,
    )
    try:
        for pragma in (
            "trusted_schema = OFF",
            "cell_size_check = ON",
            "secure_delete = ON",
            "synchronous = FULL",
            f"journal_size_limit = {64 << 20}",
            "query_only = OFF" if write else "query_only = ON",
        ):
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def begin(connection: sqlite3.Connection, lock_wait: float) -> None:
    """Begin to write, waiting for other processes at the most `lock_wait` seconds. Raises sqlite3.Error.

    SQLite's own waiting sleeps longer each time, up to 0.1 s: whoever has just written would go first again and again.
    """
    deadline = time.monotonic() + lock_wait
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_TURN)
        else:
            return


def translated(error: sqlite3.Error, path: Path) -> StorageError:
    """Return what an error of SQLite means."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return StorageTimeoutError(f"{path} is locked by another process", advice="try again")
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return StorageCorruptError(
            f"{path} is damaged: {error}",
            advice="stop the services, keep a copy of the file and of its -wal, then restore a backup "
            "or write what `sqlite3 FILE .recover` prints into a new file",
        )
    return StorageError(
        f"{path} cannot be used: {error}", code="STORAGE-IO", advice="look at the disk: space, permissions, errors"
    )


def refused(path: Path, reason: str, advice: str) -> ConfigError:
    """Return the error of a file that cannot be the store."""
    return ConfigError(f"storage_backend.backends.sqlite.path: {path}: {reason}", code="STORAGE-CONFIG", advice=advice)


def _touch(path: Path) -> None:
    # Only a file that this call makes may be opened and closed here: closing any descriptor of the file drops all the
    # locks that other connections of this process hold on it.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    for file in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        try:
            mode = file.stat().st_mode
        except FileNotFoundError:
            continue
        if not stat.S_ISREG(mode):
            raise OSError(f"{file.name} is not a regular file")
        if mode & 0o077:
            file.chmod(0o600)
            _LOG.warning("a file could be read by other users: its mode is 0600 now", file=file)


def _prepare(path: Path, lock_wait: float) -> None:
    connection = connect(path, lock_wait, write=True)
    try:
        if _is_empty(connection):
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            if mode != "wal":
                raise refused(
                    path, "its file system cannot hold a write-ahead log", "name a file on a disk of this machine"
                )
            connection.execute("BEGIN IMMEDIATE")
            if _is_empty(connection):
                for statement in _SCHEMA:
                    connection.execute(statement)
            connection.execute("COMMIT")
        _check(connection, path)
    finally:
        connection.close()


def _is_empty(connection: sqlite3.Connection) -> bool:
    return _number(connection, "PRAGMA application_id") == 0 and not _number(
        connection, "SELECT count(*) FROM sqlite_schema"
    )


def _check(connection: sqlite3.Connection, path: Path) -> None:
    if _number(connection, "PRAGMA application_id") != APPLICATION_ID:
        raise refused(path, "is the database of another program", "name another file")
    version = _number(connection, "PRAGMA user_version")
    if version != SCHEMA_VERSION:
        raise refused(
            path,
            f"has version {version} of the schema; this program knows version {SCHEMA_VERSION}",
            "run the version of Attestack that wrote it, or a newer one",
        )
    connection.execute("SELECT namespace, key, expires_at, value FROM entries LIMIT 0")


def _number(connection: sqlite3.Connection, statement: str) -> int:
    return int(connection.execute(statement).fetchone()[0])
