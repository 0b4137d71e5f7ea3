"""What the README tells people to type works, and prints what the README says it prints."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.integration.processes import environment

ROOT: Final = Path(__file__).parents[2]
README: Final = (ROOT / "README.md").read_text()
NOT_RUN: Final = ("make test",)
"""The suite does not run itself."""


def commands() -> dict[str, list[str]]:
    """The commands of all console blocks, each with the lines that are shown as its output."""
    found: dict[str, list[str]] = {}
    for block in re.findall(r"^```console\n(.*?)^```", README, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                command = line[2:]
                found[command] = []
            else:
                found[command].append(line)
    return found


def test_the_readme_names_the_two_commands() -> None:
    assert {"make demo", "make test"} <= set(commands())


def test_every_target_that_the_readme_names_exists() -> None:
    rules = "\n".join(path.read_text() for path in [ROOT / "Makefile", *sorted((ROOT / "mk").glob("*.mk"))])
    targets = re.findall(r"^([a-z-]+):", rules, re.MULTILINE)
    assert set(re.findall(r"\bmake ([a-z-]+)", README)) <= set(targets)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("command", [command for command in commands() if command not in NOT_RUN])
def test_a_command_of_the_readme_works_as_shown(command: str, tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euc", command],
        cwd=ROOT,
        env=environment({"HOME": str(tmp_path), "PATH": path, "NO_COLOR": "1"}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    output = done.stdout.splitlines()
    assert [line for line in commands()[command] if line and line not in output] == []
