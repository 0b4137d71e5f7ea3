"""docs/security.md: every named attack, what answers it, and which tests try it."""

from __future__ import annotations

import re
from typing import Final

from tests.house.sources import ROOT

TARGET: Final = ROOT / "docs" / "security.md"
ROWS: Final = ROOT / "docs" / "security.d" / "attacks.md"
NUMBERS: Final = tuple(f"A{number:02}" for number in range(1, 51))
NOT_YET: Final = re.compile(r"^no .+ yet\b|^does not apply: ")
"""How a row starts that says why nothing here can be attacked in that way, or not so far."""

_HEAD: Final = """# Attacks, and where they are tested

Fifty attacks and mistakes that were seen in this field, numbered once for all. Each test asserts the refusal and its
stable code; its name starts with the attack's number (`test_a07_…`). An attack that cannot apply, or not yet, says why.
The rows stand in `security.d/attacks.md`; `make docs` adds the tests.

| attack | what | answer | tests |
|---|---|---|---|
"""


def rows() -> dict[str, tuple[str, str]]:
    """Attack number to what it is and what answers it."""
    cells = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in ROWS.read_text().splitlines()]
    return {number: (what, answer) for number, what, answer in cells}


def tests() -> dict[str, list[str]]:
    """Attack number to the test files that try it, with how many tests each."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        counts: dict[str, int] = {}
        for number in re.findall(r"^\s*(?:async )?def test_a(\d\d)_", path.read_text(), re.MULTILINE):
            counts[f"A{number}"] = counts.get(f"A{number}", 0) + 1
        for attack, count in counts.items():
            found.setdefault(attack, []).append(f"`{path.relative_to(ROOT)}` ({count})")
    return found


def render() -> str:
    """The page as it should stand."""
    tried = tests()
    lines = [
        f"| {number} | {what} | {answer} | {', '.join(tried.get(number, ())) or '—'} |\n"
        for number, (what, answer) in rows().items()
    ]
    return _HEAD + "".join(lines)
