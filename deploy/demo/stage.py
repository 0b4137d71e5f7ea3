"""The stage: processes, requests and the timeline. Standard library only; the actors are our console programs."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

LOOPBACK: Final = "127.0.0.1"
START_SECONDS: Final = 30.0
COMMAND_SECONDS: Final = 60.0
STOP_SECONDS: Final = 15.0
RED: Final = "\x1b[1;31m"
BOLD: Final = "\x1b[1m"
PLAIN: Final = "\x1b[0m"


class SurpriseError(Exception):
    """Something went otherwise than it should."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the servers listen on loopback."""

    kbs: int
    rest: int
    attestation_service: int
    grpc_as: int
    issuer: int
    keeper: int
    stranger: int


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that ran to its end."""

    status: int
    out: str
    err: str


@dataclass
class Stage:
    """Starts and stops programs, sends requests, and tells what happens."""

    folder: Path
    running: contextlib.ExitStack
    ports: Ports
    began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        """Make sure that the ports are free before anything starts. Raises SurpriseError."""
        for port in astuple(self.ports):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((LOOPBACK, port))
                except OSError:
                    raise SurpriseError(
                        f"port {port} on {LOOPBACK} is in use: stop what listens there, or choose others "
                        "(python -m deploy.demo --help)"
                    ) from None

    def scene(self, title: str) -> None:
        """Begin a scene."""
        print(f"\n{BOLD}{title}{PLAIN}", flush=True)

    def tell(self, who: str, what: str, *, colour: str = "") -> None:
        """Put a line, or several, on the timeline."""
        first, *rest = what.splitlines() or [""]
        print(f"{time.monotonic() - self.began:6.1f} s  {who:<16} {colour}{first}{PLAIN if colour else ''}")
        for line in rest:
            print(f"{'':8}  {'':<16} {colour}{line}{PLAIN if colour else ''}")
        sys.stdout.flush()

    def start(
        self, name: str, *arguments: str, env: Mapping[str, str] | None = None, ready: int | Path
    ) -> subprocess.Popen[bytes]:
        """Start a program, and wait until it listens at `ready`. The stage stops it. Raises SurpriseError."""
        log = self.folder / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                [program(name), *arguments], stdout=output, stderr=output, env=self._environment(env), cwd=self.folder
            )
        self.running.callback(self.stop, process)
        deadline = time.monotonic() + START_SECONDS
        while not _listens(ready):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SurpriseError(f"{name} did not start:\n{log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.02)
        return process

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """Stop a program by its own process id."""
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(STOP_SECONDS)

    def command(self, name: str, *arguments: str, env: Mapping[str, str] | None = None) -> Ended:
        """Run a program to its end. Raises SurpriseError when it takes too long."""
        self.tell("operator" if "config" in arguments else "you", f"$ {name} {' '.join(arguments)}")
        try:
            done = subprocess.run(
                [program(name), *arguments],
                capture_output=True,
                check=False,
                cwd=self.folder,
                env=self._environment(env),
                text=True,
                timeout=COMMAND_SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise SurpriseError(f"{name} did not end within {COMMAND_SECONDS:g} s") from None
        return Ended(done.returncode, done.stdout, done.stderr)

    def request(self, method: str, port: int, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Send one HTTP request on loopback. Raises SurpriseError when no answer comes."""
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=COMMAND_SECONDS)
        headers = {"content-type": "application/json"} if body else {}
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except OSError as error:
            raise SurpriseError(f"{method} http://{LOOPBACK}:{port}{path}: {error}") from None
        finally:
            connection.close()

    def _environment(self, extra: Mapping[str, str] | None) -> dict[str, str]:
        steering = ("ATTESTACK_", "AA_", "KBS_", "RUST_LOG", "TRUSTEE_", "http_proxy", "HTTP_PROXY")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(steering)}
        return {**inherited, "HOME": str(self.folder), "TRUSTEE_HOME": str(self.folder / "trustee"), **(extra or {})}


def expect(holds: object, otherwise: str) -> None:
    """Go on only if `holds`. Raises SurpriseError."""
    if not holds:
        raise SurpriseError(otherwise)


def program(name: str) -> str:
    """Return the console script of the environment that plays the demonstration."""
    return str(Path(sys.executable).with_name(name))


def _listens(where: int | Path) -> bool:
    family, address = (socket.AF_INET, (LOOPBACK, where)) if isinstance(where, int) else (socket.AF_UNIX, str(where))
    with contextlib.suppress(OSError), socket.socket(family) as probe:
        probe.settimeout(1)
        probe.connect(address)
        return True
    return False
