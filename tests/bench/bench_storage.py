"""What storage costs: microseconds for each operation, one after the other and 32 at once, beside bare sqlite3.

Informative: no ratio is demanded. The bare reference makes the same durable statements on the calling thread.
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
from trustee_core.storage.memory import MemoryBackend
from trustee_core.storage.sqlite import SqliteBackend

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trustee_core.storage.contract import StorageBackend

    Operation = Callable[[int], Awaitable[object]]

ROUNDS: Final = 400
AT_ONCE: Final = 32
VALUE: Final = os.urandom(1024)


def value(number: int) -> bytes:
    return number.to_bytes(8, "big") + VALUE


async def alone(operation: Operation) -> float:
    """Median microseconds of one operation after the other."""
    times = []
    for number in range(ROUNDS):
        start = time.perf_counter()
        await operation(number)
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


async def together(operation: Operation) -> float:
    """Microseconds for each operation when 32 tasks work at once."""
    start = time.perf_counter()
    for first in range(0, ROUNDS, AT_ONCE):
        await asyncio.gather(*(operation(first + number) for number in range(AT_ONCE)))
    return (time.perf_counter() - start) / ROUNDS * 1e6


async def measure(backend: StorageBackend) -> list[float]:
    store = backend.namespace("bench")
    operations: list[Operation] = [
        lambda n: store.put(f"k{n}", value(n)),
        lambda n: store.get(f"k{n}"),
        lambda n: store.put_if_absent(f"s{n}", value(n), ttl=300),
        lambda n: store.compare_and_set(f"k{n}", value(n), value(n)[::-1]),
    ]
    figures = [await alone(operation) for operation in operations]
    figures.append(await together(lambda n: store.put_if_absent(f"t{n}", value(n), ttl=300)))
    await backend.close()
    return figures


def bare(path: Path) -> list[float]:
    """The same statements on one bare connection, durable, on the calling thread."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE entries (key TEXT PRIMARY KEY, value BLOB)")
    statements: list[tuple[str, Callable[[int], tuple[object, ...]]]] = [
        ("INSERT OR REPLACE INTO entries VALUES (?, ?)", lambda n: (f"k{n}", value(n))),
        ("SELECT value FROM entries WHERE key = ?", lambda n: (f"k{n}",)),
        ("INSERT OR IGNORE INTO entries VALUES (?, ?)", lambda n: (f"s{n}", value(n))),
        (
            "UPDATE entries SET value = ? WHERE key = ? AND value = ?",
            lambda n: (value(n)[::-1], f"k{n}", value(n)),
        ),
    ]
    figures = []
    for statement, parameters in statements:
        times = []
        for number in range(ROUNDS):
            start = time.perf_counter()
            connection.execute(statement, parameters(number)).fetchone()
            times.append(time.perf_counter() - start)
        figures.append(statistics.median(times) * 1e6)
    connection.close()
    return figures


def main() -> int:
    """Print the table. Returns the exit status."""
    print("storage, µs for 1 KiB (median)      put     get  absent     cas  absent, 32 at once")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "fs").mkdir()
        backends: list[tuple[str, Callable[[], StorageBackend]]] = [
            ("memory", MemoryBackend),
            ("local_fs", lambda: LocalFsBackend(place / "fs")),
            ("sqlite", lambda: SqliteBackend(place / "store.sqlite")),
        ]
        for name, open_backend in backends:
            _line(name, asyncio.run(measure(open_backend())))
        _line("bare sqlite3", bare(place / "bare.sqlite"))
    return 0


def _line(name: str, figures: list[float]) -> None:
    print(f"  {name:<27}" + "".join(f"{figure:8.0f}" for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
