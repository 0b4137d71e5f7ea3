"""What sharing a port costs, what asking an RVPS at once saves, and what an appraisal over gRPC costs.

port        server CPU for one call, 32 at a time, spliced to grpcio's socket, beside grpcio alone
RVPS        the seven values of a policy asked for at once, beside one after the other
grpc-as     sample evidence, reference values in the process and at an RVPS (informative)
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import grpc  # type: ignore[import-untyped]
import grpc.aio  # type: ignore[import-untyped]
from reference_value_provider.client import RemoteReferenceValues

from tests.bench.grpc_servers import METHOD
from tests.bench.measure import ROUNDS, Ratio, alternate, duration, processor_seconds, table
from tests.conformance.recordings import rpc_recording
from tests.integration.processes import Program, Tcp, free_port
from tests.unit.reference_value_provider.conftest import message

if TYPE_CHECKING:
    from collections.abc import Iterator

PAYLOAD: Final = bytes(1024)
CALLERS: Final = 32
EVALUATE: Final = "/attestation.AttestationService/AttestationEvaluate"
EVIDENCE: Final = rpc_recording("as/as-grpc")[3].request
IDS: Final = ("launch_digest", "svn", "major_version", "minimum_minor_version", "a", "b", "c")


def main(seconds: float) -> list[Ratio]:
    return [port(seconds), values(seconds), *appraisals(seconds)]


def port(seconds: float) -> Ratio:
    """Drive both servers in turns."""
    taken: dict[str, list[tuple[float, float]]] = {"spliced": [], "bare": []}
    with contextlib.ExitStack() as running:
        servers = {mode: running.enter_context(echo_server(mode)) for mode in taken}
        for _ in range(ROUNDS):
            for mode, (pid, number) in servers.items():
                taken[mode].append(asyncio.run(drive(f"127.0.0.1:{number}", METHOD, PAYLOAD, pid, seconds / ROUNDS)))
    rows, costs = [], {}
    for mode, runs in taken.items():
        rates, cpus = zip(*runs, strict=True)
        costs[mode] = statistics.median(cpus)
        rows.append((mode, f"{statistics.median(rates):,.0f} calls/s   server CPU {duration(costs[mode])} for a call"))
    table(f"gRPC echo of 1 KiB, {CALLERS} callers over one connection", rows)
    return Ratio.at_most(
        "server CPU for a call, shared port against grpcio alone", costs["spliced"] / costs["bare"], 2.5
    )


@contextlib.contextmanager
def echo_server(mode: str) -> Iterator[tuple[int, int]]:
    """Start one of `grpc_servers`: its pid and port."""
    command = [sys.executable, "-m", "tests.bench.grpc_servers", mode]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.pid, int(process.stdout.readline())
        finally:
            process.terminate()


async def drive(address: str, method: str, payload: bytes, pid: int, seconds: float) -> tuple[float, float]:
    """Call for some seconds; return calls in a second, and the server's CPU seconds for a call."""
    loop = asyncio.get_running_loop()
    async with grpc.aio.insecure_channel(address) as channel:
        call: Any = channel.unary_unary(method)
        await asyncio.gather(*(call(payload) for _ in range(CALLERS)))
        started, used, end, calls = loop.time(), processor_seconds(pid), loop.time() + seconds, 0

        async def caller() -> None:
            nonlocal calls
            while loop.time() < end:
                await call(payload)
                calls += 1

        await asyncio.gather(*(caller() for _ in range(CALLERS)))
        return calls / (loop.time() - started), (processor_seconds(pid) - used) / calls


def values(seconds: float) -> Ratio:
    """Ask a real `rvps` both ways."""
    number = free_port()
    with (
        Program("rvps", "-a", f"127.0.0.1:{number}", ready=Tcp(number), env={"RUST_LOG": "error"}),
        asyncio.Runner() as runner,
    ):
        loop = runner.get_loop()
        client = runner.run(RemoteReferenceValues.connect(f"127.0.0.1:{number}", allow_sample=True))
        runner.run(client.register(message({name: ["1"] for name in IDS})))

        async def one_by_one() -> None:
            for name in IDS:
                await client.query(name)

        at_once, sequential = alternate(
            lambda: loop.run_until_complete(client.query_many(IDS)),
            lambda: loop.run_until_complete(one_by_one()),
            seconds=seconds,
        )
        runner.run(client.close())
    table(f"{len(IDS)} reference values of an RVPS", [("at once", at_once.text), ("one by one", sequential.text)])
    return Ratio.at_most(
        "time of a batch of reference values, at once against one by one", at_once.median / sequential.median, 1
    )


def appraisals(seconds: float) -> list[Ratio]:
    """Drive `grpc-as` with reference values in the process, then at an RVPS."""
    rows = []
    rvps = free_port()
    with (
        tempfile.TemporaryDirectory() as folder,
        Program("rvps", "-a", f"127.0.0.1:{rvps}", ready=Tcp(rvps), env={"RUST_LOG": "error"}),
    ):
        for name, table_of in (("in the process", {}), ("at an RVPS", remote(rvps))):
            config, number = Path(folder) / "as.json", free_port()
            config.write_text(json.dumps(table_of))
            address = f"127.0.0.1:{number}"
            with Program(
                "grpc-as", "-c", config, "-s", address, ready=Tcp(number), env={"RUST_LOG": "error"}
            ) as program:
                rate, cpu = asyncio.run(drive(address, EVALUATE, EVIDENCE, program.pid, seconds))
            rows.append((f"reference values {name}", f"{rate:,.0f}/s   CPU of grpc-as {duration(cpu)}"))
    table(f"sample evidence appraised by grpc-as, {CALLERS} callers", rows)
    return []


def remote(number: int) -> dict[str, Any]:
    return {"rvps_config": {"type": "GrpcRemote", "address": f"127.0.0.1:{number}"}}
