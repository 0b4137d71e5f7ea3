"""The table of `make wire-conformance`: a row for each recorded exchange that a test replayed.

Tests call `add` for every exchange that they compare; outside `python -m tests.conformance` it does nothing. A row says
which side of ours was held against which recorded side, and what differed; a difference names the row of
docs/differences.md that allows it. Exchanges that no test replays must stand in `NOT_OFFERED`, with the reason.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from tests.conformance.recordings import WIRE

TABLE: Final = "ATTESTACK_WIRE_TABLE"
"""Names the file that rows are appended to."""

Side = Literal["our server", "our client", "our store", "our program"]

NOT_OFFERED: Final = {
    "guest/unseal": "sealed secrets are not offered by this version",
    "images/encrypted": "images are not offered by this version",
    "images/plain": "images are not offered by this version",
    "keyprovider/cdh-unwrap-key": "the key provider is not offered by this version",
    "keyprovider/wrap-key": "the key provider is not offered by this version",
}
"""Recordings that nothing of ours is held against yet."""

ONLY_SENT: Final = frozenset({"remote/kbs-to-as"})
"""Recordings of what a program of theirs asks: our client is the one that has to ask alike."""


@dataclass(frozen=True, slots=True)
class Row:
    """One exchange: what was recorded, what ours did, and the row that allows a difference."""

    recording: str
    step: int
    side: Side
    exchange: str
    difference: str
    allowed_by: str

    @property
    def holds(self) -> bool:
        return not self.difference or bool(self.allowed_by)


def add(recording: str, step: int, side: Side, exchange: str, *, difference: str = "", allowed_by: str = "") -> None:
    """Put an exchange on the table."""
    where = os.environ.get(TABLE)
    if where:
        row = Row(recording, step, side, exchange, difference, allowed_by)
        with Path(where).open("a") as table:
            table.write(json.dumps(asdict(row)) + "\n")


def read(path: Path) -> list[Row]:
    """Read the rows of a run, in the order of the recordings."""
    rows = {Row(**json.loads(line)) for line in path.read_text().splitlines()}
    return sorted(rows, key=lambda row: (row.recording, row.step, row.side))


def recordings() -> dict[str, int]:
    """Every recording, with the number of exchanges in it (files of another form count as one)."""
    found = {}
    for path in sorted(WIRE.rglob("*.json")):
        document: Any = json.loads(path.read_text())
        steps = document if isinstance(document, list) else document.get("steps") or document.get("runs") or [document]
        found[str(path.relative_to(WIRE).with_suffix(""))] = len(steps)
    for folder in ("stores/localfs", "stores/localjson", "images/plain", "images/encrypted"):
        found = {name: count for name, count in found.items() if not name.startswith(f"{folder}/")}
        found[folder] = 1
    return found


def missing(rows: list[Row]) -> dict[str, str]:
    """Recordings that the run did not hold anything of ours against, with how much of them."""
    replayed: dict[str, set[int]] = {}
    for row in rows:
        if row.side != "our client" or row.recording in ONLY_SENT:
            replayed.setdefault(row.recording, set()).add(row.step)
    return {
        name: f"{len(replayed.get(name, ()))} of {count} exchanges replayed"
        for name, count in recordings().items()
        if name not in NOT_OFFERED and len(replayed.get(name, ())) < count
    }
