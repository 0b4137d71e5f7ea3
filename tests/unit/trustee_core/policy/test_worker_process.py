"""One worker process: started, asked, ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from trustee_core.policy import worker_process
from trustee_core.policy.messages import MAX_REPLY, READY, Request, decode_reply, encode, frame
from trustee_core.policy.worker_process import WorkerEndedError, WorkerProcess, WorkerTimeoutError

from tests.unit.trustee_core.policy.endless import ENDLESS, HUNGRY
from tests.unit.trustee_core.policy.evaluation import ALLOW, HEAD

if TYPE_CHECKING:
    from collections.abc import Iterator

LONG = 60.0
"""Seconds; longer than anything here takes on a machine with much else to do."""


@contextmanager
def worker() -> Iterator[WorkerProcess]:
    process = WorkerProcess()
    try:
        yield process
    finally:
        process.close()


def request(policy: str, **members: Any) -> bytes:
    return encode(Request(policy=policy, rules=[ALLOW], seconds=LONG, **members))


def descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def instead(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Let a worker be another program."""
    popen = subprocess.Popen

    def start(_command: list[str], **arguments: object) -> subprocess.Popen[bytes]:
        return popen([sys.executable, "-c", f"import os, sys, time\n{code}"], **arguments)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr(subprocess, "Popen", start)


def test_a_worker_answers_more_than_once() -> None:
    with worker() as process:
        for number in range(3):
            reply = decode_reply(process.ask(request(HEAD + "allow := input", input=str(number)), LONG))
            assert reply.values == {ALLOW: number}


def test_requests_and_replies_may_be_larger_than_a_pipe_holds() -> None:
    text = '"' + "x" * 3_000_000 + '"'
    with worker() as process:
        reply = decode_reply(process.ask(request(HEAD + "allow := input", input=text), LONG))
    assert reply.values == {ALLOW: "x" * 3_000_000}


def test_a31_a_worker_that_takes_too_long_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    with worker() as process:
        with pytest.raises(WorkerTimeoutError):
            process.ask(request(ENDLESS), 0.2)
        assert process._process.poll() is None
    assert process._process.returncode == -signal.SIGKILL
    instead(monkeypatch, f"os.write(1, {frame(READY, 99)!r}); time.sleep(60)")
    with worker() as process, pytest.raises(WorkerTimeoutError):
        process.ask(frame(b"x" * 1_000_000, MAX_REPLY), 0.2)  # it reads nothing


def test_a31_a_worker_that_takes_too_much_memory_ends_alone() -> None:
    with worker() as process, pytest.raises(WorkerEndedError, match="ended by signal"):
        process.ask(request(HUNGRY), LONG)


def test_a_worker_that_was_ended_says_so() -> None:
    with worker() as process:
        process.kill()
        with pytest.raises(WorkerEndedError, match="ended by signal 9"):
            process.ask(request(HEAD + "allow := 1"), LONG)
        with pytest.raises(WorkerEndedError, match="ended by signal 9"):
            process.ask(frame(b"x" * 1_000_000, MAX_REPLY), LONG)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("sys.exit(3)", "ended with status 3"),
        (f"os.write(1, {frame(b'no', 9)!r})", "does not start as it should"),
        ("os.write(1, bytes([255] * 8)); time.sleep(60)", "a message of 4294967295 bytes"),
        ("os.close(1); time.sleep(60)", "does not answer any more"),
    ],
)
def test_a_worker_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch, code: str, says: str) -> None:
    monkeypatch.setattr(worker_process, "_END_SECONDS", 0.3)
    instead(monkeypatch, code)
    with pytest.raises(WorkerEndedError, match=says):
        WorkerProcess()


def test_a_worker_that_is_never_ready_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_process, "START_SECONDS", 0.2)
    instead(monkeypatch, "time.sleep(60)")
    with pytest.raises(WorkerEndedError, match=r"not ready within 0\.2 s"):
        WorkerProcess()


def test_a_program_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    before = descriptors()
    with pytest.raises(WorkerEndedError, match="cannot be started: No such file"):
        WorkerProcess()
    assert descriptors() == before


@pytest.mark.parametrize("count", [0, 1])
def test_pipes_that_cannot_be_made_are_told(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    made: list[tuple[int, int]] = []
    pipe = os.pipe

    def few() -> tuple[int, int]:
        if len(made) == count:
            raise OSError(24, "Too many open files")
        made.append(pipe())
        return made[-1]

    monkeypatch.setattr(os, "pipe", few)
    before = descriptors()
    with pytest.raises(WorkerEndedError, match="cannot be started: Too many open files"):
        WorkerProcess()
    assert descriptors() == before


def test_a35_a_worker_knows_nothing_of_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADMIN_PASSWORD", "secret")
    with worker() as process:
        environment = Path(f"/proc/{process._process.pid}/environ").read_bytes()
        names = {entry.partition(b"=")[0] for entry in environment.split(b"\0") if entry}
        assert names <= {b"PYTHONPATH", b"MIMALLOC_ARENA_RESERVE", b"LC_CTYPE"}
        assert os.getsid(process._process.pid) == process._process.pid
