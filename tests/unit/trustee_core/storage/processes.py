"""What the processes of `test_processes` do: `python -m … KIND PLACE ROLE …`. Each step is a line of standard output.

`race NAME`  says `ready`, waits for a line, tries to put NAME if the key is absent, and says `won` or `lost`.
`count N`    raises a counter N times by compare-and-set.
`write`      writes values of growing size for ever, and says the number of each that is written.
`fork`       writes, forks, and lets the child and the parent write and read.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trustee_core.storage.local_fs import LocalFsBackend
from trustee_core.storage.local_json import LocalJsonBackend
from trustee_core.storage.sqlite import SqliteBackend

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from trustee_core.storage.contract import KeyValueStore, StorageBackend

LOCK_WAIT = 60.0
"""Seconds; the tests load the machine far beyond what a service would meet."""


def open_backend(kind: str, place: Path) -> StorageBackend:
    if kind == "sqlite":
        return SqliteBackend(place / "store.sqlite", lock_wait=LOCK_WAIT, time_limit=LOCK_WAIT)
    folder = place / kind
    folder.mkdir(exist_ok=True)
    backend = LocalFsBackend if kind == "local_fs" else LocalJsonBackend
    return backend(folder, lock_wait=LOCK_WAIT, time_limit=LOCK_WAIT)


def value(number: int) -> bytes:
    """A value that shows whether it is whole: the number, a filling of a size of its own, and a digest of both."""
    body = number.to_bytes(8, "big") + bytes([number % 256]) * (number * 977 % 200_000)
    return body + hashlib.sha256(body).digest()


def number_in(data: bytes) -> int:
    """The number of a value; -1 if the value is not whole."""
    body, digest = data[:-32], data[-32:]
    return int.from_bytes(body[:8], "big") if hashlib.sha256(body).digest() == digest else -1


def say(text: object) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def race(store: KeyValueStore, name: str) -> None:
    await store.get("warm")
    say("ready")
    sys.stdin.readline()
    say("won" if await store.put_if_absent("nonce", name.encode(), ttl=300) else "lost")


async def count(store: KeyValueStore, steps: str) -> None:
    for _ in range(int(steps)):
        while True:
            present = await store.get("counter")
            following = str(int(present or b"0") + 1).encode()
            if await store.compare_and_set("counter", present, following):
                break
    say("done")


async def write(store: KeyValueStore) -> None:
    present = await store.get("key")
    number = 0 if present is None else number_in(present)
    while True:
        number += 1
        await store.put("key", value(number), ttl=300 if number % 2 else None)
        say(number)


def fork(backend: StorageBackend) -> None:
    store = backend.namespace("n")
    asyncio.run(store.put("before", b"parent"))
    child = os.fork()
    if child == 0:
        seen = asyncio.run(store.get("before"))
        asyncio.run(store.put("child", b"written by the child"))
        os._exit(0 if seen == b"parent" else 1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    asyncio.run(store.put("after", b"parent"))
    say(f"{status} {asyncio.run(store.keys())}")


def main(kind: str, place: str, role: str, *arguments: str) -> None:
    backend = open_backend(kind, Path(place))
    if role == "fork":
        fork(backend)
        return
    roles: dict[str, Callable[..., Coroutine[Any, Any, None]]] = {"race": race, "count": count, "write": write}
    asyncio.run(roles[role](backend.namespace("n"), *arguments))


if __name__ == "__main__":
    main(*sys.argv[1:])
