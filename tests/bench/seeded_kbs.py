"""`kbs` whose memory already holds many sessions and resources: `python -m tests.bench.seeded_kbs COUNT [FLAG ...]`.

Storage in memory cannot be filled from outside but by as many requests; so the backend is filled before the program
opens it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from key_broker_service import main as program
from key_broker_service.plugins import resource
from key_broker_service.sessions import NAMESPACE, Attested
from trustee_core.storage import memory

from tests.bench.flows import SECRET
from tests.bench.guests import PATH

if TYPE_CHECKING:
    from trustee_core.storage.contract import StorageBackend

SESSION_SECONDS = 3600
_AT_ONCE = 256


async def fill(backend: StorageBackend, count: int) -> None:
    """Store so many attested sessions, and resources numbered from 0."""
    sessions, resources = backend.namespace(NAMESPACE), backend.namespace(resource.NAMESPACE)
    expires = int((datetime.now(UTC) + timedelta(seconds=SESSION_SECONDS)).timestamp())

    async def one(number: int) -> None:
        session = os.urandom(16).hex()
        record = Attested(session, f"{number:01500}", "0" * 64, expires).to_json()
        await sessions.put(session, record, ttl=SESSION_SECONDS)
        await resources.put(f"{PATH}/{number}", SECRET)

    for start in range(0, count, _AT_ONCE):
        await asyncio.gather(*(one(number) for number in range(start, min(count, start + _AT_ONCE))))


def main() -> int:
    count, *flags = sys.argv[1:]
    backend = memory.MemoryBackend()
    asyncio.run(fill(backend, int(count)))
    memory.open_backend = lambda settings: backend  # noqa: ARG005  # the parameter's name is part of its type
    return program.main(flags)


if __name__ == "__main__":
    sys.exit(main())
