"""ttRPC against grpc.aio: unary calls of 1 KiB over a unix socket, client and server in processes of their own.

Both echo bytes, without protobuf around them, so that only the transports are compared. The two servers stand side by
side; the client turns from one to the other every few hundred milliseconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import grpc  # type: ignore[import-untyped]
import grpc.aio  # type: ignore[import-untyped]
from ttrpc_asyncio import CallContext, Client, Server, Service

from tests.bench.measure import Ratio, duration, figures, table

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from multiprocessing.synchronize import Event

PAYLOAD: Final = bytes(range(256)) * 4
PAIRS: Final = 7
WANTED: Final = 2.0
CONCURRENT: Final = 16
WARM_UP_CALLS: Final = 200
SERVICE: Final = "bench.Echo"
TIMEOUT: Final = 50.0
_START_SECONDS: Final = 30


def serve_ttrpc(path: str, ready: Event) -> None:
    async def echo(payload: bytes, _context: CallContext) -> bytes:
        return payload

    async def main() -> None:
        async with Server([Service(SERVICE, {"Echo": echo})]) as server:
            await server.start(f"unix://{path}")
            ready.set()
            await server.serve_forever()

    asyncio.run(main())


def serve_grpc(path: str, ready: Event) -> None:
    async def echo(payload: bytes, _context: Any) -> bytes:
        return payload

    async def main() -> None:
        server = grpc.aio.server()
        handlers = {"Echo": grpc.unary_unary_rpc_method_handler(echo)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        server.add_insecure_port(f"unix:{path}")
        await server.start()
        ready.set()
        await server.wait_for_termination()

    asyncio.run(main())


@contextlib.contextmanager
def served(serve: Callable[[str, Event], None], path: Path) -> Iterator[str]:
    """A server in a process of its own, ready to be called."""
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=serve, args=(str(path), ready), daemon=True)
    process.start()
    try:
        if not ready.wait(_START_SECONDS):
            raise TimeoutError(f"{serve.__name__} did not start")
        yield str(path)
    finally:
        process.terminate()
        process.join()


@dataclass(slots=True)
class Side:
    """One transport, and what was measured of it."""

    name: str
    call: Callable[[], Awaitable[bytes]]
    sequential: list[float] = field(default_factory=list)
    """Durations of single calls in seconds, all runs."""
    rates: list[float] = field(default_factory=list)
    """Sequential calls/s, run by run."""
    concurrent: list[float] = field(default_factory=list)
    """Calls/s with CONCURRENT in flight, run by run."""

    async def run(self, seconds: float) -> None:
        """Call one after the other for that time, then several at a time for as long."""
        durations: list[float] = []
        end = time.perf_counter() + seconds
        while (start := time.perf_counter()) < end or not durations:
            if await self.call() != PAYLOAD:
                raise AssertionError("another payload came back")
            durations.append(time.perf_counter() - start)
        self.sequential += durations
        self.rates.append(len(durations) / sum(durations))
        start = time.perf_counter()
        counts = await asyncio.gather(*(self._keep_calling(start + seconds) for _ in range(CONCURRENT)))
        self.concurrent.append(sum(counts) / (time.perf_counter() - start))

    async def _keep_calling(self, end: float) -> int:
        count = 0
        while time.perf_counter() < end or not count:
            await self.call()
            count += 1
        return count

    @property
    def text(self) -> str:
        return f"{figures(self.sequential).text}   {CONCURRENT} at a time {statistics.median(self.concurrent):,.0f}/s"


async def compare(ttrpc_path: str, grpc_path: str, seconds: float) -> tuple[Side, Side]:
    """Measure both in PAIRS alternate runs."""
    async with (
        await Client.connect(f"unix://{ttrpc_path}") as client,
        grpc.aio.insecure_channel(f"unix:{grpc_path}") as channel,
    ):
        method = channel.unary_unary(f"/{SERVICE}/Echo")
        ours = Side("ttrpc_asyncio", lambda: client.call(SERVICE, "Echo", PAYLOAD, timeout=TIMEOUT))
        reference = Side("grpc.aio", lambda: method(PAYLOAD, timeout=TIMEOUT))
        for side in (ours, reference):
            for _ in range(WARM_UP_CALLS):
                await side.call()
        for _ in range(PAIRS):
            for side in (ours, reference):
                await side.run(seconds / PAIRS / 2)
    return ours, reference


def main(seconds: float) -> list[Ratio]:
    with (
        tempfile.TemporaryDirectory() as folder,
        served(serve_ttrpc, Path(folder) / "t") as ttrpc_path,
        served(serve_grpc, Path(folder) / "g") as grpc_path,
    ):
        ours, reference = asyncio.run(compare(ttrpc_path, grpc_path, seconds))
    ratios = [mine / theirs for mine, theirs in zip(ours.rates, reference.rates, strict=True)]
    many = [mine / theirs for mine, theirs in zip(ours.concurrent, reference.concurrent, strict=True)]
    table(
        f"Unary calls of 1 KiB over a unix socket, {PAIRS} alternate runs of {duration(seconds / PAIRS)}",
        [
            (ours.name, ours.text),
            (reference.name, reference.text),
            ("ratio", f"{_spread(ratios)} one after the other, {_spread(many)} with {CONCURRENT} at a time"),
        ],
    )
    return [Ratio.at_least("ttRPC calls/s against grpc.aio, 1 KiB, sequential", statistics.median(ratios), WANTED)]


def _spread(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})"


if __name__ == "__main__":
    sys.exit(0 if all(ratio.held for ratio in main(float(sys.argv[1]) if sys.argv[1:] else 10.0)) else 1)
