"""Run every benchmark in turn: `python -m tests.bench [--seconds N] [--smoke] [NAME ...]`.

`--smoke` runs each for a moment and judges no ratio: it only shows that the benchmarks still work.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.bench.measure import Ratio

SMOKE_SECONDS = 0.05


def names() -> list[str]:
    """The benchmarks in this folder."""
    return sorted(path.stem for path in Path(__file__).parent.glob("bench_*.py"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Run the benchmarks in turn.")
    parser.add_argument("--seconds", type=float, default=2.0, help="time for each thing that is measured")
    parser.add_argument("--smoke", action="store_true", help="run each for a moment, judge nothing")
    parser.add_argument("names", nargs="*", help="for example bench_policy")
    arguments = parser.parse_args()
    seconds = SMOKE_SECONDS if arguments.smoke else arguments.seconds
    ratios: list[Ratio] = []
    chosen = arguments.names or names()
    if not chosen:
        print("bench: there is nothing to run")
        return 1
    for name in chosen:
        ratios += importlib.import_module(f"tests.bench.{name}").main(seconds)
        sys.stdout.flush()
    if ratios:
        print()
    for ratio in ratios:
        print(f"{'held  ' if ratio.held else 'MISSED'}  {ratio}")
    if arguments.smoke:
        print("bench: smoke ok")
        return 0
    missed = [ratio.what for ratio in ratios if not ratio.held]
    print(f"bench: missed: {'; '.join(missed)}" if missed else "bench: ok")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
