"""The helper that starts programs: it notices what goes wrong, and says it with the program's log."""

from __future__ import annotations

import os
import signal
import socket
from typing import TYPE_CHECKING

import pytest

from tests.integration.processes import Program, ProgramError, Tcp, Unix, free_port, run

if TYPE_CHECKING:
    from pathlib import Path

LISTENER = """
import socket, sys
print("listening", file=sys.stderr, flush=True)
kind, where = sys.argv[1], sys.argv[2]
server = socket.socket(socket.AF_INET if kind == "tcp" else socket.AF_UNIX)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("127.0.0.1", int(where)) if kind == "tcp" else where.replace("@", chr(0)))
server.listen()
while True:
    server.accept()
"""


def test_a_program_is_ready_when_its_port_accepts_and_ends_by_sigterm() -> None:
    port = free_port()
    with Program("python", "-c", LISTENER, "tcp", str(port), ready=Tcp(port)) as program:
        assert program.running
        with Tcp(port).connect():
            pass
        assert program.log == "listening\n"
        os.kill(program.pid, 0)
    assert not program.running
    assert program.wait() == -signal.SIGTERM


@pytest.mark.parametrize("abstract", [False, True])
def test_a_unix_socket_is_waited_for(tmp_path: Path, *, abstract: bool) -> None:
    where = f"@{tmp_path.name}-{os.getpid()}" if abstract else str(tmp_path / "socket")
    with Program("python", "-c", LISTENER, "unix", where, ready=Unix(where)) as program:
        assert program.running


def test_a_program_that_ends_before_it_is_ready_fails_with_its_log() -> None:
    program = Program("python", "-c", "import sys; sys.exit('no such config')", ready=Tcp(free_port()))
    with pytest.raises(ProgramError, match=r"(?s)ended with status 1 before it was ready.*no such config"):
        program.start()


def test_a_program_that_never_listens_is_killed() -> None:
    program = Program("python", "-c", "import time; time.sleep(60)", ready=Tcp(free_port()), seconds=0.2)
    with pytest.raises(ProgramError, match=r"was not ready after 0.2 s"):
        program.start()
    assert not program.running


def test_a_failure_inside_the_block_carries_the_log() -> None:
    port = free_port()
    with (
        pytest.raises(ZeroDivisionError) as caught,
        Program("python", "-c", LISTENER, "tcp", str(port), ready=Tcp(port)),
    ):
        raise ZeroDivisionError
    assert "listening" in caught.value.__notes__[0]


def test_a_program_can_be_restarted() -> None:
    port = free_port()
    with Program("python", "-c", LISTENER, "tcp", str(port), ready=Tcp(port)) as program:
        before = program.pid
        program.restart()
        assert program.pid != before
        assert program.log == "listening\n" * 2


def test_run_returns_status_and_both_outputs() -> None:
    script = "import sys; print(sys.stdin.read().upper()); print('oops', file=sys.stderr); sys.exit(3)"
    done = run("python", "-c", script, stdin="hello")
    assert (done.status, done.stdout, done.stderr) == (3, "HELLO\n", "oops\n")


def test_a_run_that_takes_too_long_is_ended() -> None:
    with pytest.raises(ProgramError, match=r"still ran after 0.2 s"):
        run("python", "-c", "import time; time.sleep(60)", seconds=0.2)


def test_the_developers_environment_does_not_steer_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTESTACK_INSECURE_SAMPLE_EVIDENCE", "1")
    monkeypatch.setenv("RUST_LOG", "trace")
    script = "import os; print([key for key in os.environ if key.startswith(('ATTESTACK', 'RUST_LOG', 'GIVEN'))])"
    assert run("python", "-c", script, env={"GIVEN": "1"}).stdout == "['GIVEN']\n"


def test_a_program_that_does_not_exist_is_named() -> None:
    with pytest.raises(ProgramError, match="there is no program no-such-program"):
        Program("no-such-program")


def test_free_ports_are_free() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", free_port()))
