"""What the guest's programs weigh and how fast they serve: start to listening, resident memory, one resource.

The stock programs on a comparable machine, for orientation: agent 9 MB and 0.02 s, hub 16 MB and 0.03 s, REST server 4
MB and 0.05 s; one resource through all three 28 ms, since each costs a handshake.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.measure import Ratio, duration, figures, table
from tests.integration.guest_machine import SECRET, GuestMachine, Trustee
from tests.integration.independent_ttrpc_client import TtrpcClient, text

if TYPE_CHECKING:
    from tests.integration.processes import Program

if TYPE_CHECKING:
    from collections.abc import Callable

STARTS = 5
AGENT = "attestation_agent.AttestationAgentService"


def resident(program: Program) -> float:
    """Resident memory in MB."""
    lines = Path(f"/proc/{program.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1000


def started(program: Program) -> tuple[float, float]:
    """Start and stop a program: seconds until it listens, and its memory then."""
    begin = time.perf_counter()
    with program:
        return time.perf_counter() - begin, resident(program)


def calls(action: Callable[[], object], seconds: float) -> list[float]:
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or not taken:
        begin = time.perf_counter()
        action()
        taken.append(time.perf_counter() - begin)
    return taken


def main(seconds: float) -> list[Ratio]:
    with tempfile.TemporaryDirectory(prefix="bench-guest-") as folder, Trustee(Path(folder)) as trustee:
        three, one = Path(folder) / "three", Path(folder) / "one"
        three.mkdir()
        one.mkdir()
        separate = GuestMachine(three, trustee.url)
        together = GuestMachine(one, trustee.url, one_process=True)
        programs = {program.name: program for program in separate.programs} | {"attestack guest": together.programs[0]}
        runs = {name: [started(program) for _ in range(STARTS)] for name, program in programs.items()}
        rows = []
        for name, run in runs.items():
            start, memory = (statistics.median(column) for column in zip(*run, strict=True))
            rows.append((name, f"{memory:5.1f} MB   listens after {duration(start)}"))
        with separate as machine:
            warm = machine.get("/cdh/resource/default/key/1")
            assert warm == (200, SECRET)
            resource = figures(calls(lambda: machine.get("/cdh/resource/default/key/1"), seconds))
            client = TtrpcClient(str(machine.agent_socket))
            token = figures(calls(lambda: client.call(AGENT, "GetToken", text(1, b"kbs")), seconds))
            client.close()
            rows += [(f"{program.name}, after use", f"{resident(program):5.1f} MB") for program in machine.programs]
        rows += [("resource through REST server and hub", resource.text), ("agent GetToken, kept token", token.text)]
        table("guest programs", rows)
    return []
