"""Whether a broker stays as quick when much is stored: one session and resource, or 100,000 of each.

Claimed: the time that 99 of 100 requests do not exceed grows by at most 1.3, for storage in memory and for SQLite, in
alternate runs with 32 guests, who ask for the resources in turn. A smoke run stores 100.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from trustee_core.storage.sqlite import SqliteBackend

from tests.bench.flows import GUESTS, Target, alternate_runs, broker, median_ratio, middle
from tests.bench.measure import Ratio, duration, table
from tests.bench.seeded_kbs import fill

if TYPE_CHECKING:
    from collections.abc import Iterator

MANY: Final = 100_000
FEW: Final = 100
LIMIT: Final = 1.3


@contextlib.contextmanager
def filled(folder: Path, storage: str, count: int) -> Iterator[Target]:
    """Run `kbs` with so many sessions and resources."""
    launcher: list[str] = []
    if storage == "Memory":
        launcher = [sys.executable, "-m", "tests.bench.seeded_kbs", str(count)]
    else:
        asyncio.run(_fill_sqlite(folder / "store.sqlite", count))
    with broker(folder, storage, resources=count, launcher=launcher) as target:
        yield target


async def _fill_sqlite(path: Path, count: int) -> None:
    backend = SqliteBackend(path)
    try:
        await fill(backend, count)
    finally:
        await backend.close()


def main(seconds: float) -> list[Ratio]:
    many = MANY if seconds >= 1 else FEW
    rows, ratios = [], []
    for storage in ("Memory", "Sqlite"):
        with tempfile.TemporaryDirectory(prefix="bench-stored-") as folder:
            one, other = Path(folder) / "one", Path(folder) / "many"
            one.mkdir()
            other.mkdir()
            with filled(one, storage, 1) as small, filled(other, storage, many) as large:
                runs = alternate_runs(large, small, seconds)
        for count, taken in zip((many, 1), runs, strict=True):
            rows.append((f"{storage}, {count:,} stored", f"p99 {duration(middle(taken).p99)}   {middle(taken).text}"))
        ratio = median_ratio((large.p99, small.p99) for large, small in zip(*runs, strict=True))
        ratios.append(Ratio.at_most(f"{storage}: p99 with {many:,} stored against 1", ratio, LIMIT))
    table(f"kbs: much stored, {GUESTS} guests", rows)
    return ratios
