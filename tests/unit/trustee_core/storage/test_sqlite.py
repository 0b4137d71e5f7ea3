"""What is particular to SQLite: the file, its schema, transactions, what its errors mean."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from typing import TYPE_CHECKING, Any

import pytest
from attestack_common.errors import ConfigError
from hypothesis import given
from hypothesis import strategies as st
from trustee_core.storage import sqlite as sqlite_backend
from trustee_core.storage import sqlite_file
from trustee_core.storage.contract import StorageCorruptError, StorageError, StorageTimeoutError
from trustee_core.storage.sqlite import SqliteBackend, successor
from trustee_core.storage.worker import Job

from tests.unit.trustee_core.storage.conftest import FakeClock, logged

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "store.sqlite"


def opened(path: Path, clock: FakeClock | None = None, lock_wait: float = 5.0) -> SqliteBackend:
    return SqliteBackend(path, clock=clock or FakeClock(), lock_wait=lock_wait)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_the_file_and_its_companions_are_for_their_owner_only(path: Path) -> None:
    backend = opened(path)
    asyncio.run(backend.namespace("n").put("key", b""))
    assert {mode(file) for file in path.parent.iterdir()} == {0o600}
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "store.sqlite",
        "store.sqlite-shm",
        "store.sqlite-wal",
    ]
    assert mode(path.parent) == 0o700
    asyncio.run(backend.close())


def test_a_file_that_others_could_read_is_closed_to_them(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    asyncio.run(opened(path).close())
    path.chmod(0o644)
    with caplog.at_level(logging.WARNING):
        asyncio.run(opened(path).close())
    assert mode(path) == 0o600
    assert logged(caplog) == [f"a file could be read by other users: its mode is 0600 now file={path}"]


def test_commits_wait_for_the_disk_and_deleted_values_are_overwritten(path: Path) -> None:
    asyncio.run(opened(path).close())
    connection = sqlite_file.connect(path, 1, write=True)
    values = {
        name: connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "secure_delete", "trusted_schema", "user_version", "application_id")
    }
    connection.close()
    assert values == {
        "journal_mode": "wal",
        "synchronous": 2,
        "secure_delete": 1,
        "trusted_schema": 0,
        "user_version": 1,
        "application_id": 0x41545354,
    }


def test_a_connection_for_reading_cannot_write(path: Path) -> None:
    asyncio.run(opened(path).close())
    connection = sqlite_file.connect(path, 1, write=False)
    with pytest.raises(sqlite3.OperationalError):
        connection.execute("DELETE FROM entries")
    connection.close()


def test_a_file_that_vanished_is_not_made_by_a_connection(path: Path) -> None:
    asyncio.run(opened(path).close())
    path.unlink()
    with pytest.raises(sqlite3.OperationalError):
        sqlite_file.connect(path, 1, write=True)
    assert not path.exists()


def test_a_name_with_odd_characters_is_only_a_name(tmp_path: Path) -> None:
    path = tmp_path / "odd ?mode=memory&x=%20#y:.sqlite"
    backend = opened(path)
    asyncio.run(backend.namespace("n").put("key", b"one"))
    asyncio.run(backend.close())
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def refused(path: Path, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        opened(path)
    assert caught.value.code == "STORAGE-CONFIG"
    assert caught.value.message.startswith(f"storage_backend.backends.sqlite.path: {path}: ")


def test_the_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    before = path.read_bytes()
    refused(path, "is the database of another program")
    assert path.read_bytes() == before


def test_a_newer_schema_is_refused(path: Path) -> None:
    asyncio.run(opened(path).close())
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 2")
    connection.close()
    refused(path, "has version 2 of the schema; this program knows version 1")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, "is not a regular file")


def test_an_old_sqlite_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 36, 0))
    refused(path, "is too old")


def test_a_file_system_without_shared_memory_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_connect = sqlite_file.connect

    def without_wal(path: Path, lock_wait: float, *, write: bool) -> Any:
        connection = real_connect(path, lock_wait, write=write)
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute("BEGIN")  # the mode cannot change inside a transaction, and SQLite answers with the old one
        return _Stubborn(connection)

    monkeypatch.setattr(sqlite_file, "connect", without_wal)
    refused(path, "cannot hold a write-ahead log")


class _Stubborn:
    """A connection that keeps its journal's mode."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, statement: str) -> Any:
        return self._connection.execute(statement.replace("journal_mode = WAL", "journal_mode"))

    def close(self) -> None:
        self._connection.close()


def test_a_file_that_is_no_database_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "junk.sqlite"
    path.write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(StorageCorruptError) as caught:
        opened(path)
    assert caught.value.code == "STORAGE-CORRUPT"
    assert ".recover" in caught.value.advice


def damage(path: Path) -> None:
    """Overwrite all pages but the first."""
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))


async def test_damaged_pages_are_reported_and_not_served(path: Path) -> None:
    backend = opened(path)
    await backend.namespace("n").put("key", b"x" * 5000)
    await backend.close()
    damage(path)
    backend = opened(path)
    store = backend.namespace("n")
    for use in (store.get("key"), store.put("key", b""), store.keys()):
        with pytest.raises(StorageCorruptError) as caught:
            await use
        assert caught.value.code == "STORAGE-CORRUPT"
    await backend.close()


async def test_a_lock_of_another_process_is_waited_for_and_then_a_timeout(path: Path) -> None:
    backend = opened(path, lock_wait=0.05)
    store = backend.namespace("n")
    await store.put("key", b"one")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageTimeoutError) as caught:
        await store.put("key", b"two")
    assert caught.value.code == "STORAGE-TIMEOUT"
    assert await store.get("key") == b"one"  # readers do not wait for writers
    other.execute("ROLLBACK")
    other.close()
    await store.put("key", b"three")
    assert await store.get("key") == b"three"
    await backend.close()


def test_opening_waits_for_a_lock_and_then_gives_up(path: Path) -> None:
    path.parent.mkdir()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StorageTimeoutError) as caught:
        opened(path, lock_wait=0.05)
    assert caught.value.code == "STORAGE-TIMEOUT"
    other.close()


async def test_a_read_that_meets_a_lock_waits_elsewhere(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = opened(path)
    store = backend.namespace("n")
    await store.put("key", b"one")

    def locked(*_: object) -> None:
        raise StorageTimeoutError("locked")

    monkeypatch.setattr(backend, "read_now", locked)
    assert await store.get("key") == b"one"
    assert await store.get("other") is None
    await backend.close()


async def test_a_transaction_that_fails_fails_for_all_and_the_next_one_works(path: Path) -> None:
    backend = opened(path)
    await backend.namespace("n").put("key", b"one")
    loop = asyncio.get_running_loop()

    def change(statement: str) -> Job:
        return Job(lambda connection: connection.execute(statement).rowcount, loop.create_future())

    batch = [change("UPDATE entries SET value = x'00'"), change("INSERT INTO nowhere VALUES (1)")]
    backend._commit(batch)
    assert [getattr(job.error, "code", None) for job in batch] == ["STORAGE-IO", "STORAGE-IO"]
    assert await backend.namespace("n").get("key") == b"one"
    with pytest.raises(ZeroDivisionError):
        await backend.write(lambda _connection: 1 // 0)
    await backend.namespace("n").put("key", b"two")
    assert await backend.namespace("n").get("key") == b"two"
    await backend.close()


async def test_a_disk_that_is_full_leaves_the_old_value(path: Path) -> None:
    backend = opened(path)
    store = backend.namespace("n")
    await store.put("key", b"old")
    await backend.write(lambda connection: connection.execute("PRAGMA max_page_count = 8").rowcount)
    with pytest.raises(StorageError, match="full") as caught:
        await store.put("key", b"x" * (1 << 20))
    assert caught.value.code == "STORAGE-IO"
    assert await store.get("key") == b"old"
    await store.put("key", b"y" * (1 << 20))
    assert await store.get("key") == b"y" * (1 << 20)
    await backend.close()


async def test_writes_that_wait_together_are_one_transaction(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = opened(path)
    store = backend.namespace("n")
    await store.put("first", b"")
    sizes: list[int] = []
    entered, gate = threading.Event(), threading.Event()
    real: Callable[[Any], None] = backend._commit

    def counted(batch: Any) -> None:
        sizes.append(len(batch))
        entered.set()
        gate.wait(10)
        real(batch)

    monkeypatch.setattr(backend._writes, "_perform", counted)
    writes = [asyncio.ensure_future(store.put("0", b""))]
    await asyncio.to_thread(entered.wait, 10)
    writes += [asyncio.ensure_future(store.put_if_absent("same", str(n).encode())) for n in range(20)]  # type: ignore[arg-type]
    await asyncio.sleep(0)
    gate.set()
    won = await asyncio.gather(*writes)
    assert sizes == [1, 20]
    assert won == [None, True, *[False] * 19]
    await backend.close()


async def test_expired_rows_leave_the_file(path: Path, clock: FakeClock) -> None:
    backend = opened(path, clock)
    store = backend.namespace("n")
    for n in range(40):
        await store.put(f"s{n:02}", b"session", ttl=10 + n / 100)
    clock.advance(100)
    await store.put("kept", b"")
    rows = await backend.read("SELECT key, 0 FROM entries", ())
    assert len(rows) == 40 - 18 + 1
    assert await store.put_if_absent("s39", b"again") is True
    await store.put("kept", b"")
    rows = await backend.read("SELECT key, 0 FROM entries ORDER BY key", ())
    assert [key for key, _ in rows] == ["kept", "s39"]
    await backend.close()


@pytest.mark.parametrize("name", ["_GET", "_KEYS", "_KEYS_BETWEEN", "_DELETE", "_SWEEP", "_COMPARE_AND_SET"])
def test_no_statement_reads_the_whole_table(path: Path, name: str) -> None:
    asyncio.run(opened(path).close())
    connection = sqlite_file.connect(path, 1, write=True)
    statement = getattr(sqlite_backend, name)
    plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", (b"",) * statement.count("?")).fetchall()
    connection.close()
    assert any("USING INDEX" in row[3] or "USING COVERING INDEX" in row[3] for row in plan)
    assert not any(row[3].startswith("SCAN") or "TEMP B-TREE" in row[3] for row in plan)


async def test_threads_have_connections_of_their_own(path: Path) -> None:
    backend = opened(path)
    store = backend.namespace("n")
    await store.put("key", b"one")
    seen = [await store.get("key"), await asyncio.to_thread(lambda: asyncio.run(store.get("key")))]
    assert seen == [b"one", b"one"]
    assert len(backend._readers._all) == 2
    await backend.close()
    assert backend._readers._all == []


def test_a_forked_child_leaves_the_connections_of_its_parent_alone(path: Path) -> None:
    backend = opened(path)
    asyncio.run(backend.namespace("n").put("key", b"one"))
    writer, readers = backend._writer, backend._readers
    backend.forget()  # what runs in the child
    assert (writer, readers) in sqlite_backend._INHERITED
    assert backend._writer is None
    assert asyncio.run(backend.namespace("n").get("key")) == b"one"
    sqlite_backend._INHERITED.clear()
    readers.close()
    asyncio.run(backend.close())


@given(st.text(max_size=4), st.text(max_size=6))
def test_the_successor_ends_the_range_of_a_prefix(prefix: str, text: str) -> None:
    end = successor(prefix)
    in_range = prefix <= text and (end is None or text < end)
    assert in_range == text.startswith(prefix)
    if end is not None:
        end.encode()


@pytest.mark.parametrize(
    ("prefix", "end"),
    [("", None), ("a", "b"), ("a/", "a0"), ("\ud7ff", "\ue000"), ("a\U0010ffff", "b"), ("\U0010ffff", None)],
)
def test_successors(prefix: str, end: str | None) -> None:
    assert successor(prefix) == end
