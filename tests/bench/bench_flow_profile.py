"""Where the processor time of a flow through the broker goes, by a profile of whole flows within this process.

Informative: a profiler makes calls of Python dearer than they are, so shares of what is compiled (cryptography, the
policy engine, JSON) are larger in truth. `bench_flows` says what a flow costs.
"""

from __future__ import annotations

import asyncio
import cProfile
import json
import logging
import pstats
from collections import Counter
from typing import TYPE_CHECKING, Final

from tests.bench.measure import duration, table
from tests.unit.key_broker_service.inprocess import Guest, running

if TYPE_CHECKING:
    from tests.bench.measure import Ratio

FLOWS_PER_SECOND: Final = 100
"""Flows that are profiled for each second that is given."""
GROUPS: Final = {
    "policy engine": ("trustee_core/policy", "builtins.Engine"),
    "cryptography": ("cryptography", "hmac", "_hashlib", "_sha"),
    "JSON, base64, canonical JSON": ("/json/", "encoding.py", "base64", "binascii", "rfc8785", "canonical_json"),
    "storage": ("trustee_core/storage",),
    "attestation service": ("attestation_service", "evidence_verifiers", "reference_value", "attestation_protocol/ear"),
    "token verification": ("token_trust", "jwt/"),
    "broker": ("key_broker_service", "attestation_protocol", "http_server/messages"),
    "metrics": ("prometheus_client",),
    "event loop": ("asyncio", "selectors"),
}
"""Where a function belongs, by what its file or name contains; what fits nowhere is the interpreter's own."""


def profiled(count: int) -> Counter[str]:
    """Processor seconds of one flow by what they are spent on, measured under a profiler within this process."""
    profile = cProfile.Profile()

    async def flows() -> None:
        async with running() as broker:
            await broker.ready()
            guest = Guest(broker)
            await guest.token()
            for _ in range(count):
                await guest.auth()
                body = json.dumps(guest.evidence()).encode()
                profile.enable()
                await guest.attest(body)
                await guest.by_cookie()
                await guest.auth()
                profile.disable()

    logging.disable(logging.WARNING)
    try:
        asyncio.run(flows())
    finally:
        logging.disable(logging.NOTSET)
    spent: Counter[str] = Counter()
    for (file, _, name), (_, _, seconds, _, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        place = f"{file}:{name}"
        group = next(
            (group for group, marks in GROUPS.items() if any(mark in place for mark in marks)), "built-in functions"
        )
        spent[group] += seconds / count
    return spent


def main(seconds: float) -> list[Ratio]:
    spent = profiled(max(1, int(FLOWS_PER_SECOND * seconds)))
    total = sum(spent.values())
    table(
        f"kbs: where a flow's time goes, under a profiler ({duration(total)}, HTTP edge not included)",
        [(group, f"{share / total:5.0%}") for group, share in spent.most_common()],
    )
    return []
