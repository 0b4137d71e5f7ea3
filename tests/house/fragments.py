"""Documents that grow by fragments, so that parallel work does not collide: CHANGELOG.md and docs/differences.md."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from tests.house.sources import ROOT

CHANGELOG: Final = ROOT / "CHANGELOG.md"
CHANGES: Final = ROOT / "changelog.d"
DIFFERENCES: Final = ROOT / "docs" / "differences.md"
ROWS: Final = ROOT / "docs" / "differences.d"
COLUMNS: Final = ("area", "upstream", "ours", "why", "switch", "test")

_CHANGELOG_HEAD: Final = """# Changelog

In the manner of Keep a Changelog. Each area keeps its own list in `changelog.d/`; `make docs` puts them together.

## Unreleased
"""
_DIFFERENCES_HEAD: Final = """# Differences from the Rust programs

Attestack speaks the formats of `trustee` and `guest-components` as recorded in `tests/conformance/wire`. Where a
default, a status, a text or a refusal differs on purpose, it stands here, with the switch that restores upstream's
behaviour where there is one, and with the test that holds it. What is not listed here and differs is a bug.

Each area keeps its rows in `docs/differences.d/`; `make docs` puts them together.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One difference. `test` names the tests that hold it."""

    cells: tuple[str, ...]

    @property
    def area(self) -> str:
        return self.cells[0]

    @property
    def tests(self) -> list[str]:
        """Names of test functions, or paths of test files, in the last cell."""
        return re.findall(r"tests/[\w/]+\.py|\btest_\w+", self.cells[-1].replace("::", " "))


def rows() -> dict[str, list[Row]]:
    """All rows, by the fragment that they stand in."""
    return {path.stem: [_row(line) for line in _lines(path.read_text())] for path in sorted(ROWS.glob("*.md"))}


def _lines(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [line for line in lines if not re.match(r"\|\s*(area\s*\||:?-+)", line)]


def _row(line: str) -> Row:
    cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
    return Row(tuple(cell.strip() for cell in cells))


def differences() -> str:
    """docs/differences.md as it should stand."""
    head = f"\n| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}\n"
    body = "".join(f"| {' | '.join(row.cells)} |\n" for fragment in rows().values() for row in fragment)
    return _DIFFERENCES_HEAD + head + body


def changelog() -> str:
    """CHANGELOG.md as it should stand."""
    parts = [f"\n### {path.stem}\n\n{path.read_text().strip()}\n" for path in sorted(CHANGES.glob("*.md"))]
    return _CHANGELOG_HEAD + "".join(parts)
