"""What whole flows through `kbs` cost: 32 guests at once, each auth, attest with sample evidence, one resource.

Claimed: with storage in memory the server takes at most 1.5 times the processor time of a floor (`floor_server`), which
answers the same guests with the same cryptography and policies and does nothing else. Server and guests are processes
beside each other on the machine's cores; floor and broker run alternately. For orientation: the stock broker took 1.9
to 3.1 ms of processor time for such a flow on a quiet machine.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from tests.bench.flows import GUESTS, alternate_runs, broker, drive, floor, median_ratio, middle
from tests.bench.measure import Ratio, duration, table

LIMIT: Final = 1.5


def main(seconds: float) -> list[Ratio]:
    with tempfile.TemporaryDirectory(prefix="bench-flows-") as folder:
        place = Path(folder)
        with floor() as lowest, broker(place, "Memory") as memory:
            floors, ours = alternate_runs(lowest, memory, seconds)
        rows = [("floor", middle(floors).text), ("kbs, memory", middle(ours).text)]
        for storage, workers in (("LocalFs", 1), ("LocalFs", 2), ("Sqlite", 1), ("Sqlite", 2)):
            with broker(place, storage, workers=workers) as target:
                what = f"kbs, {storage}" + (f", {workers} workers" if workers > 1 else "")
                rows.append((what, drive(target, seconds).text))
    client = middle(ours)
    rows.append(("the guests themselves", f"{duration(client.client_cpu / max(client.flows, 1))} CPU a flow"))
    table(f"kbs: whole flows, {GUESTS} guests", rows)
    ratio = median_ratio((one.cpu_per_flow, other.cpu_per_flow) for one, other in zip(ours, floors, strict=True))
    return [Ratio.at_most("kbs in memory, processor time of a flow against the floor", ratio, LIMIT)]
