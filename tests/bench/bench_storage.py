"""What storage costs, beside bare sqlite3 that makes the same durable statements on the calling thread.

Informative: no ratio is demanded. Values have 1 KiB. "32 at once" is what a write costs when 32 tasks write.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from trustee_core.storage.local_fs import LocalFsBackend
from trustee_core.storage.local_json import LocalJsonBackend
from trustee_core.storage.memory import MemoryBackend
from trustee_core.storage.sqlite import SqliteBackend

from tests.bench.measure import table

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trustee_core.storage.contract import StorageBackend

    from tests.bench.measure import Ratio

    Operation = Callable[[int], Awaitable[object]]

AT_ONCE: Final = 32
FILLING: Final = os.urandom(1016)
SESSION: Final = 300
"""Seconds that a session's record lives."""
COLUMNS: Final = ("put", "get", "put if absent", "compare and set")


def value(number: int) -> bytes:
    return number.to_bytes(8, "big") + FILLING


async def one_by_one(operation: Operation, seconds: float) -> float:
    """Median seconds of an operation, one after the other."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        await operation(len(times))
        times.append(time.perf_counter() - start)
    return statistics.median(times)


async def at_once(operation: Operation, seconds: float) -> float:
    """Seconds for each operation when many tasks work at once."""
    count = 0
    start = time.perf_counter()
    while not count or time.perf_counter() < start + seconds:
        await asyncio.gather(*(operation(count + number) for number in range(AT_ONCE)))
        count += AT_ONCE
    return (time.perf_counter() - start) / count


async def measured(backend: StorageBackend, seconds: float) -> list[float]:
    store = backend.namespace("bench")
    operations: list[Operation] = [
        lambda n: store.put(f"k{n}", value(n)),
        lambda n: store.get(f"k{n}"),
        lambda n: store.put_if_absent(f"s{n}", value(n), ttl=SESSION),
        lambda n: store.compare_and_set("one", value(n), value(n + 1)),
    ]
    await store.put("one", value(0))
    times = [await one_by_one(operation, seconds) for operation in operations]
    times.append(await at_once(lambda n: store.put_if_absent(f"t{n}", value(n), ttl=SESSION), seconds))
    await backend.close()
    return times


async def bare(path: Path, seconds: float) -> list[float]:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE entries (key TEXT PRIMARY KEY, value BLOB)")

    def operation(statement: str, parameters: Callable[[int], tuple[object, ...]]) -> Operation:
        async def run(number: int) -> object:  # measured as the others are
            return connection.execute(statement, parameters(number)).fetchone()

        return run

    operations = [
        operation("INSERT OR REPLACE INTO entries VALUES (?, ?)", lambda n: (f"k{n}", value(n))),
        operation("SELECT value FROM entries WHERE key = ?", lambda n: (f"k{n}",)),
        operation("INSERT OR IGNORE INTO entries VALUES (?, ?)", lambda n: (f"s{n}", value(n))),
        operation("UPDATE entries SET value = ? WHERE key = 'one' AND value = ?", lambda n: (value(n + 1), value(n))),
    ]
    connection.execute("INSERT INTO entries VALUES ('one', ?)", (value(0),))
    times = [await one_by_one(operation, seconds) for operation in operations]
    connection.close()
    return times


def line(times: list[float]) -> str:
    cells = [f"{name} {seconds * 1e6:,.0f}" for name, seconds in zip(COLUMNS, times, strict=False)]
    if len(times) > len(COLUMNS):
        cells.append(f"put if absent, {AT_ONCE} at once {times[-1] * 1e6:,.0f}")
    return "   ".join(cells)


def main(seconds: float) -> list[Ratio]:
    share = seconds / 16
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for name in ("fs", "json"):
            (place / name).mkdir()
        rows = [
            ("memory", line(asyncio.run(measured(MemoryBackend(), share)))),
            ("local_fs", line(asyncio.run(measured(LocalFsBackend(place / "fs"), share)))),
            ("local_json", line(asyncio.run(measured(LocalJsonBackend(place / "json"), share)))),
            ("sqlite", line(asyncio.run(measured(SqliteBackend(place / "store.sqlite"), share)))),
            ("bare sqlite3", line(asyncio.run(bare(place / "bare.sqlite", share)))),
        ]
    table("Storage, µs for values of 1 KiB", rows)
    return []


if __name__ == "__main__":
    main(float(sys.argv[1]) if sys.argv[1:] else 10.0)
