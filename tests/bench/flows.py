"""What the benchmarks of a broker's flows share: servers as processes, and guests as a process of their own."""

from __future__ import annotations

import contextlib
import http.client
import json
import statistics
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from tests.bench.guests import PATH, STEPS
from tests.bench.measure import Figures, duration, figures
from tests.integration.kbs_config import Kbs, policy_document
from tests.integration.processes import LOOPBACK, Program, Tcp, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

GUESTS: Final = 32
SECRET: Final = b"the-secret-bytes"
PAIRS: Final = 5
"""How many runs each of two alternating servers gets."""
_GRACE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Target:
    """A server that guests can be let loose on."""

    port: int
    pid: int
    resources: int = 1


@dataclass(frozen=True, slots=True)
class Run:
    """What guests saw in one run, and what it cost."""

    flows: int
    seconds: float
    server_cpu: float
    client_cpu: float
    steps: dict[str, Figures]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `tests.bench.guests` printed."""
        found: dict[str, Any] = json.loads(text)
        steps = {step: figures(durations) for step, durations in found["durations"].items()}
        return cls(found["flows"], found["seconds"], found["server_cpu"], found["client_cpu"], steps)

    @property
    def cpu_per_flow(self) -> float:
        """Processor seconds of the server for one flow."""
        return self.server_cpu / max(self.flows, 1)

    @property
    def p99(self) -> float:
        """The duration that 99 of 100 requests of any step do not exceed."""
        return figures(value for step in self.steps.values() for value in step.durations).percentile(99)

    @property
    def text(self) -> str:
        """A line for a table."""
        cells = [
            f"{step} {duration(self.steps[step].median)} / {duration(self.steps[step].percentile(99))}"
            for step in STEPS
        ]
        rate = f"{self.flows / self.seconds:,.0f} flows/s"
        return f"{duration(self.cpu_per_flow)} CPU a flow   {rate}   p50 / p99: {'   '.join(cells)}"


def drive(target: Target, seconds: float, *, open_every: int = 16) -> Run:
    """Let guests loose on a server for a time. Raises CalledProcessError when one of them is refused."""
    command = [sys.executable, "-m", "tests.bench.guests", "--port", str(target.port), "--pid", str(target.pid)]
    command += ["--guests", str(GUESTS), "--seconds", str(seconds), "--resources", str(target.resources)]
    command += ["--secret", SECRET.decode(), "--open", str(open_every)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=seconds + _GRACE, check=True)
    return Run.parse(done.stdout)


def alternate_runs(one: Target, other: Target, seconds: float) -> tuple[list[Run], list[Run]]:
    """Drive two servers in turns."""
    runs: tuple[list[Run], list[Run]] = ([], [])
    for _ in range(PAIRS):
        for target, taken in zip((one, other), runs, strict=True):
            taken.append(drive(target, seconds))
    return runs


def middle(runs: Sequence[Run]) -> Run:
    """The run whose cost is the median."""
    return sorted(runs, key=lambda run: run.cpu_per_flow)[len(runs) // 2]


def median_ratio(pairs: Iterator[tuple[float, float]]) -> float:
    """The median over pairs of runs of what the first is in the second."""
    return statistics.median(one / other for one, other in pairs)


@contextlib.contextmanager
def broker(
    folder: Path, storage: str, *, resources: int = 1, workers: int = 1, launcher: Sequence[str] = ()
) -> Iterator[Target]:
    """Run `kbs` with one secret that every attested guest may have; `launcher` takes the place of the program."""
    kbs = Kbs(folder, storage=storage, http_server=f"worker_count = {workers}")
    if launcher:
        kbs.program.command = [*launcher, *kbs.program.command[1:]]
    with kbs:
        for path, body in ((f"resource/{PATH}/0", SECRET), ("resource-policy", policy_document())):
            _post(kbs.port, f"/kbs/v0/{path}", body)
        yield Target(kbs.port, kbs.program.pid, resources)


@contextlib.contextmanager
def floor() -> Iterator[Target]:
    """Run `tests.bench.floor_server`."""
    port = free_port()
    program = Program("kbs", ready=Tcp(port))
    program.command = [sys.executable, "-m", "tests.bench.floor_server", str(port)]
    with program:
        yield Target(port, program.pid)


def _post(port: int, path: str, body: bytes) -> None:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=10)
    with contextlib.closing(connection):
        connection.request("POST", path, body)
        answer = connection.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.read()!r}")
