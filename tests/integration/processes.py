"""Our console programs as real processes, for the tests that need real sockets.

    kbs = Program("kbs", "--config-file", str(config), ready=Tcp(port))
    with kbs:
        ...

A program is ready when something accepts a connection at `ready`. Its output goes to files, so that it never blocks
on a pipe; when a test fails inside the `with`, or the program does not come up or will not stop, the error carries the
log. Processes are stopped by their own pid, with SIGTERM first. Waiting blocks: a test that serves on its own event
loop meanwhile starts a program with `await asyncio.to_thread(program.start)`.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

LOOPBACK: Final = "127.0.0.1"
START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 15.0
_POLL_SECONDS: Final = 0.02
_LOG_TAIL: Final = 8_000
_FOREIGN: Final = ("AA_", "ATTESTACK_INSECURE", "CDH_", "KBS_", "OCICRYPT_", "RUST_LOG", "http_proxy", "https_proxy")
"""What must not leak from the developer's environment into a program under test."""


class ProgramError(AssertionError):
    """A program did not start, answer or stop as a test needs it to. The message carries its log."""


@dataclass(frozen=True, slots=True)
class Tcp:
    """A TCP port on loopback."""

    port: int
    host: str = LOOPBACK

    def connect(self) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout=5)


@dataclass(frozen=True, slots=True)
class Unix:
    """A unix socket: a path, or `@name` for an abstract one."""

    path: str | Path

    def connect(self) -> socket.socket:
        text = str(self.path)
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        peer.settimeout(5)
        try:
            peer.connect("\0" + text[1:] if text.startswith("@") else text)
        except OSError:
            peer.close()
            raise
        return peer


def free_port() -> int:
    """Find a loopback port on which nothing listens.

    Ports are taken below the kernel's ephemeral range, so that no outgoing connection can take one in between, and each
    pytest-xdist worker has a thousand of its own.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 20_000 + 1_000 * (worker % 12)
    for port in random.SystemRandom().sample(range(first, first + 1_000), 100):
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
    raise ProgramError(f"no free port between {first} and {first + 999}")


def executable(name: str) -> Path:
    """Return the console script of that name in the environment that runs the tests."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        raise ProgramError(f"there is no program {name} beside {sys.executable}: run `make install`")
    return path


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return our own environment without what steers the programs, and with `extra`."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN)}
    return inherited | dict(extra or {})


@dataclass(frozen=True, slots=True)
class Finished:
    """A program that ran to its end."""

    status: int
    stdout: str
    stderr: str


def run(
    name: str,
    *arguments: str | Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str = "",
    seconds: float = 60,
) -> Finished:
    """Run a program to its end. Its status is for the caller to judge; running too long is a ProgramError."""
    command = [str(executable(name)), *map(str, arguments)]
    try:
        done = subprocess.run(
            command,
            env=environment(env),
            cwd=cwd,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        log = error.stderr or b""
        raise ProgramError(f"{name} still ran after {seconds} s\n{log!r}") from None
    return Finished(done.returncode, done.stdout, done.stderr)


class Program:
    """One of our servers as a process. A context manager; can be started again after it was stopped."""

    def __init__(
        self,
        name: str,
        *arguments: str | Path,
        ready: Tcp | Unix | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        seconds: float = START_SECONDS,
    ) -> None:
        self.name = name
        self.command = [str(executable(name)), *map(str, arguments)]
        self.ready = ready
        self.seconds = seconds
        self._env = environment(env)
        self._cwd = cwd
        self._process: subprocess.Popen[bytes] | None = None
        output = Path(tempfile.mkdtemp(prefix=f"{name}-"))
        self._stdout = output / "stdout"
        self._stderr = output / "stderr"
        weakref.finalize(self, shutil.rmtree, output, ignore_errors=True)

    @property
    def pid(self) -> int:
        """The process id. Raises ProgramError when it was never started."""
        if self._process is None:
            raise ProgramError(f"{self.name} was not started")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def stdout(self) -> str:
        """What it has printed so far, over all starts."""
        return self._stdout.read_text(errors="replace") if self._stdout.exists() else ""

    @property
    def log(self) -> str:
        """What it has written to standard error so far, over all starts."""
        return self._stderr.read_text(errors="replace") if self._stderr.exists() else ""

    def start(self) -> Self:
        """Start it and wait until it accepts connections. Raises ProgramError, with its log."""
        if self.running:
            raise ProgramError(f"{self.name} runs already")
        with self._stdout.open("ab") as stdout, self._stderr.open("ab") as stderr:
            self._process = subprocess.Popen(
                self.command, env=self._env, cwd=self._cwd, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr
            )
        try:
            self._await_ready()
        except ProgramError:
            self._kill()
            raise
        return self

    def _await_ready(self) -> None:
        deadline = time.monotonic() + self.seconds
        while self.ready is not None:
            if not self.running:
                raise self._error(f"{self.name} ended with status {self.wait()} before it was ready")
            try:
                self.ready.connect().close()
            except OSError as error:
                if time.monotonic() > deadline:
                    raise self._error(f"{self.name} was not ready after {self.seconds} s: {error}") from None
                time.sleep(_POLL_SECONDS)
            else:
                return

    def wait(self, seconds: float = STOP_SECONDS) -> int:
        """Wait until it ends by itself, and return its status. Raises ProgramError."""
        if self._process is None:
            raise ProgramError(f"{self.name} was not started")
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise self._error(f"{self.name} still ran after {seconds} s") from None

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> int:
        """End it and return its status, negative when a signal ended it. Raises ProgramError when it will not end."""
        if self._process is None:
            raise ProgramError(f"{self.name} was not started")
        if self.running:
            self._process.send_signal(with_signal)
        try:
            return self.wait()
        except ProgramError:
            self._kill()
            raise

    def restart(self) -> Self:
        """Stop it and start it again, with the same arguments."""
        self.stop()
        return self.start()

    def _kill(self) -> None:
        if self._process is not None and self.running:
            self._process.kill()
            self._process.wait()

    def _error(self, what: str) -> ProgramError:
        return ProgramError(f"{what}\n{self.describe()}")

    def describe(self) -> str:
        """Return the command line and the end of the log, for a test's failure."""
        log = self.log[-_LOG_TAIL:] or "(nothing)"
        return f"--- {' '.join(self.command)}\n--- standard error:\n{log}"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        except ProgramError:
            if error is None:
                raise
        finally:
            if error is not None:
                error.add_note(self.describe())
