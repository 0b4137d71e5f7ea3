"""Several processes on one store: who comes first, who loses nothing, and what is left when one is killed."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.unit.trustee_core.storage.processes import number_in, open_backend, value

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).parents[4]
MODULE = "tests.unit.trustee_core.storage.processes"


@pytest.fixture(params=["local_fs", "local_json", "sqlite"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Start:
    """Starts processes, and ends them all at the end of the test."""

    def __init__(self, kind: str, place: Path) -> None:
        self.arguments = [kind, str(place)]
        self.started: list[subprocess.Popen[str]] = []

    def __call__(self, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", MODULE, *self.arguments, *arguments],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process


@pytest.fixture
def start(kind: str, tmp_path: Path) -> Iterator[Start]:
    starter = Start(kind, tmp_path)
    yield starter
    for process in starter.started:
        process.kill()
        process.communicate()


def read(kind: str, place: Path, key: str) -> bytes | None:
    async def get() -> bytes | None:
        backend = open_backend(kind, place)
        try:
            return await backend.namespace("n").get(key)
        finally:
            await backend.close()

    return asyncio.run(get())


def test_of_64_processes_one_wins(kind: str, tmp_path: Path, start: Start) -> None:
    processes = [start("race", f"p{n}") for n in range(64)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate()[0].strip() for process in processes]
    assert sorted(answers) == ["lost"] * 63 + ["won"]
    assert read(kind, tmp_path, "nonce") == f"p{answers.index('won')}".encode()


def test_processes_that_count_together_lose_nothing(kind: str, tmp_path: Path, start: Start) -> None:
    processes = [start("count", "25") for _ in range(4)]
    assert [process.communicate()[0] for process in processes] == ["done\n"] * 4
    assert read(kind, tmp_path, "counter") == b"100"


def test_a_killed_writer_leaves_whole_values_and_all_that_it_said(kind: str, tmp_path: Path, start: Start) -> None:
    said = 0
    for lines in range(1, 11):
        process = start("write")
        assert process.stdout is not None
        for _ in range(lines):
            said = int(process.stdout.readline())
        seen = read(kind, tmp_path, "key")  # while it writes
        assert seen is not None
        assert number_in(seen) >= said
        process.kill()
        rest, _ = process.communicate()
        said = max([said, *(int(line) for line in rest.split("\n")[:-1])])
        present = read(kind, tmp_path, "key")
        assert present is not None
        assert number_in(present) in {said, said + 1}
        assert present == value(number_in(present))
    if kind == "local_fs":
        assert [path.name for path in (tmp_path / kind / "n").iterdir()] == ["key"]
    if kind == "local_json":
        assert sorted(path.name for path in (tmp_path / kind).iterdir()) == [".attestack", "n"]


def test_a_forked_child_and_its_parent_both_go_on(start: Start) -> None:
    process = start("fork")
    assert process.communicate()[0] == "0 ['after', 'before', 'child']\n"
    assert process.returncode == 0
