"""The figures of several workers, added up by whichever of them is asked for `/metrics`.

Each worker has a slot in memory that all inherit, and writes its figures there once a second when they changed. A page
has the answering worker's figures as they are and those of the others as they were at their last writing. A worker that
replaces another goes on from the figures of its predecessor, so counters do not fall; of a worker that was killed
the last second is lost, but for what a page has shown.

A slot is two anonymous files that are written in turn, so one whole copy is there at all times; nobody waits.

    offset  size  field
    0       8     number of the copy, big-endian; the higher of two is the newer
    8       4     CRC-32 of what follows
    12      n     JSON: {family: [[sample, {label: value}, figure], ...]}
"""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Figures: TypeAlias = dict[str, list[tuple[str, dict[str, str], float]]]
"""Samples by the names of their families."""

PUBLISH_SECONDS: Final = 1.0

_HEAD: Final = 12
_NUMBER: Final = 8


class FigureBoard:
    """The slots. Made before the workers start."""

    def __init__(self, slots: int) -> None:
        self._slots = [(os.memfd_create("kbs-figures"), os.memfd_create("kbs-figures")) for _ in range(slots)]

    def publish(self, slot: int, figures: Figures) -> None:
        """Replace what a slot shows. Only its own worker does this."""
        numbers = [number for number, _ in (_read(copy) for copy in self._slots[slot])]
        older = self._slots[slot][numbers.index(min(numbers))]
        text = msgspec.json.encode(figures)
        data = (max(numbers) + 1).to_bytes(_NUMBER, "big") + zlib.crc32(text).to_bytes(4, "big") + text
        os.pwrite(older, data, 0)
        os.ftruncate(older, len(data))

    def figures(self, slot: int) -> Figures:
        """Return what a slot shows; nothing where nothing was published."""
        _, text = max(_read(copy) for copy in self._slots[slot])
        return msgspec.json.decode(text, type=Figures) if text else {}

    def others(self, slot: int) -> Iterator[Figures]:
        """Yield what the slots of the other workers show."""
        for other in range(len(self._slots)):
            if other != slot:
                yield self.figures(other)

    def close(self) -> None:
        """Give the memory back."""
        for copies in self._slots:
            for copy in copies:
                os.close(copy)


def added(parts: Sequence[Figures]) -> Figures:
    """Add figures up, sample by sample, in the order in which samples come first."""
    totals: dict[str, dict[Any, tuple[str, dict[str, str], float]]] = {}
    for part in parts:
        for family, samples in part.items():
            known = totals.setdefault(family, {})
            for name, labels, value in samples:
                key = name, tuple(sorted(labels.items()))
                known[key] = name, labels, value + (known[key][2] if key in known else 0.0)
    return {family: list(samples.values()) for family, samples in totals.items()}


def _read(copy: int) -> tuple[int, bytes]:
    """Return the number and text of a copy; 0 and nothing where it is empty or was not written to its end."""
    data = os.pread(copy, os.fstat(copy).st_size, 0)
    number, checksum, text = data[:_NUMBER], data[_NUMBER:_HEAD], data[_HEAD:]
    if len(data) < _HEAD or zlib.crc32(text).to_bytes(4, "big") != checksum:
        return 0, b""
    return int.from_bytes(number, "big"), text
