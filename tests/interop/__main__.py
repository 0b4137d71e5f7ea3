"""Build the peer programs, so that no test has to: `python -m tests.interop`. With `pin`: write crates.lock again."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

from tests.interop.build import GO, RUST, Program, pin_crates


def main() -> None:
    if sys.argv[1:] == ["pin"]:
        pin_crates()
        return
    with ThreadPoolExecutor() as builders:
        for line in builders.map(state, (GO, RUST)):
            print(line)  # noqa: T201  # what the program is for


def state(program: Program) -> str:
    """Build a program if that can be done, and say so."""
    return f"interop: {program.name}: {program.missing or program.executable()}"


if __name__ == "__main__":
    main()
