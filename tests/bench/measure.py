"""What benchmarks share: alternate runs, figures with p50 and p99, a table, and the ratios that they claim."""

from __future__ import annotations

import os
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

ROUNDS: Final = 5
"""How many turns each of the alternating sides gets."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """A claim about a ratio, and what was measured."""

    what: str
    got: float
    limit: float
    upward: bool
    """Whether the ratio must reach the limit, or stay within it."""

    @classmethod
    def at_least(cls, what: str, got: float, limit: float) -> Self:
        return cls(what, got, limit, upward=True)

    @classmethod
    def at_most(cls, what: str, got: float, limit: float) -> Self:
        return cls(what, got, limit, upward=False)

    @property
    def held(self) -> bool:
        return self.got >= self.limit if self.upward else self.got <= self.limit

    def __str__(self) -> str:
        return f"{self.what}: {self.got:.2f}, wanted {'>=' if self.upward else '<='} {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Figures:
    """Durations of single calls, in seconds, sorted."""

    durations: tuple[float, ...]

    @property
    def per_second(self) -> float:
        return len(self.durations) / sum(self.durations)

    @property
    def median(self) -> float:
        return statistics.median(self.durations)

    def percentile(self, percent: float) -> float:
        """The duration that `percent` of the calls do not exceed."""
        return self.durations[min(len(self.durations) - 1, int(len(self.durations) * percent / 100))]

    @property
    def text(self) -> str:
        """`calls/s, p50, p99` for a table."""
        return f"{self.per_second:,.0f}/s   p50 {duration(self.median)}   p99 {duration(self.percentile(99))}"


def figures(durations: Iterable[float]) -> Figures:
    return Figures(tuple(sorted(durations)))


def duration(seconds: float) -> str:
    """A duration for people."""
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.2f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f} us"


def processor_seconds(pid: int) -> float:
    """Processor time (user and system) that a process and those that it started have used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user_system_and_of_ended_children = fields[11:15]
    started = " ".join(path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")).split()
    own = sum(map(int, user_system_and_of_ended_children)) / os.sysconf("SC_CLK_TCK")
    return own + sum(processor_seconds(int(child)) for child in started)


def alternate(*calls: Callable[[], object], seconds: float) -> list[Figures]:
    """Time calls in turns of `seconds / ROUNDS` each, one side after the other, after one warm-up call of each."""
    taken: list[list[float]] = [[] for _ in calls]
    for call in calls:
        call()
    for _ in range(ROUNDS):
        for call, durations in zip(calls, taken, strict=True):
            end = time.perf_counter() + seconds / ROUNDS
            while (start := time.perf_counter()) < end or not durations:
                call()
                durations.append(time.perf_counter() - start)
    return [figures(durations) for durations in taken]


def table(title: str, rows: Sequence[tuple[str, str]]) -> None:
    """Print a title and two aligned columns."""
    width = max(len(name) for name, _ in rows)
    print(f"\n{title}")
    for name, value in rows:
        print(f"  {name:<{width}}  {value}")
