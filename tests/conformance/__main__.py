"""Replay every recorded exchange, and print what was expected and what came: `python -m tests.conformance [--all]`.

The exit status is that of the tests; it is not 0 either when a difference has no row, or a recording was left out.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conformance import wire_table

if TYPE_CHECKING:
    from tests.conformance.wire_table import Row

SUITES = (
    "tests/conformance",
    "tests/integration/test_guest_programs.py",
    "tests/integration/test_passport.py",
    "tests/unit/attestack/test_kbs_client.py",
    "tests/unit/guest_rest_api/test_routes.py",
    "tests/unit/key_broker_service/test_admin.py",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description="Replay the recorded exchanges.")
    parser.add_argument("--all", action="store_true", help="print the exchanges that are the same, too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wire-") as folder:
        table = Path(folder) / "table"
        table.touch()
        suites = [suite for suite in SUITES if Path(suite).exists()]
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "--no-header", *suites]
        status = subprocess.run(command, env=os.environ | {wire_table.TABLE: str(table)}, check=False).returncode
        rows = wire_table.read(table)
    show(rows, whole=arguments.all)
    wrong = [row for row in rows if not row.holds]
    left_out = wire_table.missing(rows)
    for name, how_much in left_out.items():
        print(f"LEFT OUT  {name}: {how_much}")
    for name, why in wire_table.NOT_OFFERED.items():
        print(f"not yet   {name}: {why}")
    if status or wrong or left_out:
        print(f"wire-conformance: FAILED ({len(wrong)} mismatches without a row, {len(left_out)} recordings left out)")
        return status or 1
    differing = sum(bool(row.difference) for row in rows)
    print(f"wire-conformance: ok ({len(rows)} exchanges, {differing} with a row in docs/differences.md)")
    return 0


def show(rows: list[Row], *, whole: bool) -> None:
    """Print a line for each recording, and one for each exchange that differs (or for all)."""
    print(f"\n{'recording':<34} {'side':<12} {'exchanges':>9} {'as recorded':>12} {'by a row':>9}")
    sides = Counter((row.recording, row.side) for row in rows)
    for (recording, side), count in sorted(sides.items()):
        of_these = [row for row in rows if (row.recording, row.side) == (recording, side)]
        allowed = sum(bool(row.difference) and row.holds for row in of_these)
        same = sum(not row.difference for row in of_these)
        print(f"{recording:<34} {side:<12} {count:>9} {same:>12} {allowed:>9}")
        for row in of_these:
            if row.difference or whole:
                mark = "same" if not row.difference else "ROW" if row.holds else "MISMATCH"
                print(f"    {row.step:>3} {mark:<8} {row.exchange[:60]}")
                if row.difference:
                    print(f"        expected as recorded, got: {row.difference[:150]}")
                    print(f"        row: {row.allowed_by or 'NONE'}")


if __name__ == "__main__":
    sys.exit(main())
