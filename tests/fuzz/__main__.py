"""Run every harness for a while: `python -m tests.fuzz [--seconds N] [--jobs N] [NAME ...]`.

A finding's input, and the log of its run, stay in `.work/fuzz/<harness>/`.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
WORK: Final = ROOT / ".work" / "fuzz"
_GRACE_SECONDS: Final = 120
_LOG_TAIL: Final = 4_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one harness went."""

    name: str
    runs: int
    finding: str
    """Empty, or what was found and where it is kept."""


def names() -> list[str]:
    """The harnesses in this folder."""
    return sorted(path.stem for path in HERE.glob("fuzz_*.py"))


def fuzz(name: str, seconds: int) -> Outcome:
    """Run one harness in a process of its own."""
    folder = WORK / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    log = folder / "log"
    command = [sys.executable, "-m", "tests.fuzz.runner", name, str(seconds), str(folder)]
    with log.open("wb") as output:
        try:
            status = subprocess.run(
                command, cwd=ROOT, stdout=output, stderr=output, timeout=seconds + _GRACE_SECONDS, check=False
            ).returncode
        except subprocess.TimeoutExpired:
            status = -1
    text = log.read_text(errors="replace")
    executed = re.search(r"stat::number_of_executed_units:\s*(\d+)", text)
    runs = int(executed[1]) if executed else 0
    if status == 0 and runs:
        return Outcome(name, runs, "")
    kept = ", ".join(sorted(str(path.relative_to(ROOT)) for path in folder.glob("*-*"))) or "no input was kept"
    return Outcome(name, runs, f"status {status}, {kept}\n{text[-_LOG_TAIL:]}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz every parser of outside bytes.")
    parser.add_argument("--seconds", type=int, default=60, help="time for each harness")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="harnesses at a time")
    parser.add_argument("names", nargs="*", help="for example fuzz_jwe")
    arguments = parser.parse_args()
    chosen = arguments.names or names()
    if not chosen:
        print("fuzz: there is nothing to run")
        return 1
    found = []
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for outcome in pool.map(lambda name: fuzz(name, arguments.seconds), chosen):
            print(f"  {outcome.name:<32} {outcome.runs:>9,} runs  {outcome.finding or 'ok'}", flush=True)
            if outcome.finding:
                found.append(outcome.name)
    print(f"fuzz: findings in {', '.join(found)}" if found else f"fuzz: ok ({len(chosen)} harnesses)")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
