"""What the guest's programs weigh and how fast they serve: start to listening, resident memory, one resource.

Claimed: a token that the agent has kept costs at most a twentieth of a handshake (an agent whose `token_cache` is off
goes through one for each call), and the hub gets a resource with a kept token by one request to the broker.

The stock programs on a comparable machine, for orientation: agent 9 MB and 0.02 s, hub 16 MB and 0.03 s, REST server 4
MB and 0.05 s; one resource through all three 28 ms, since each costs a handshake.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.measure import Figures, Ratio, alternate, duration, figures, table
from tests.integration.guest_machine import SECRET, GuestMachine, Trustee
from tests.integration.independent_ttrpc_client import TtrpcClient, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.processes import Program

STARTS = 5
AGENT = "attestation_agent.AttestationAgentService"
HUB = "api.GetResourceService"
URI = b"kbs:///default/key/1"
KEPT_LIMIT = 1 / 20


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


def tokens(folder: Path, machine: GuestMachine, trustee: Trustee, seconds: float) -> tuple[Figures, Figures]:
    """GetToken of an agent that keeps tokens, and of one that does not, in turns."""
    folder.mkdir()
    forgetful = GuestMachine(folder, trustee.url).programs[0]
    config = folder / "aa.toml"
    config.write_text(config.read_text() + "token_cache = false\n")
    with (
        forgetful,
        closing(TtrpcClient(str(machine.agent_socket))) as keeps,
        closing(TtrpcClient(str(folder / "aa.sock"))) as forgets,
    ):
        kept, anew = alternate(
            lambda: keeps.call(AGENT, "GetToken", text(1, b"kbs")),
            lambda: forgets.call(AGENT, "GetToken", text(1, b"kbs")),
            seconds=seconds,
        )
    return kept, anew


def requests_of_a_resource(machine: GuestMachine, trustee: Trustee) -> float:
    """How many requests reach the broker when the hub, which has a token, gets a resource."""
    with closing(TtrpcClient(str(machine.hub_socket))) as hub:
        hub.call(HUB, "GetResource", text(1, URI))
        before = trustee.requests()
        for _ in range(STARTS):
            hub.call(HUB, "GetResource", text(1, URI))
        return (trustee.requests() - before) / STARTS


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
            kept, anew = tokens(Path(folder) / "forgetful", machine, trustee, seconds)
            asked = requests_of_a_resource(machine, trustee)
            rows += [(f"{program.name}, after use", f"{resident(program):5.1f} MB") for program in machine.programs]
        rows += [("resource through REST server and hub", resource.text), ("agent GetToken, kept token", kept.text)]
        rows += [("agent GetToken, a handshake", anew.text)]
        table("guest programs", rows)
    return [
        Ratio.at_most("agent GetToken, kept token against a handshake", kept.median / anew.median, KEPT_LIMIT),
        Ratio.at_most("requests to the broker for a resource with a kept token", asked, 1),
    ]
