"""`make vectors`: fill the cache of published vectors from the public repositories that the manifest names.

A file that is there and has the SHA-256 of the manifest is kept; all others are fetched, or made from what is fetched
where the manifest says that they stand in their repository in another form. What no repository has is listed. The run
fails if a file that could be had is not there at its end.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import hashlib
import os
import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import httpx

from tests.conformance import vectors
from tests.conformance.vector_recipes import RECIPES, REPORT, REPORT_OF, Recipe
from tests.conformance.vector_transfer import Bounds, Transfer, TransferError, why_not

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Mapping, Sequence

    from tests.conformance.vectors import Origin

BASE: Final = "https://raw.githubusercontent.com"
"""Where `<repository>/<commit>/<path>` is a file of a public repository. ATTESTACK_VECTORS_BASE, or `--base`, names a
mirror of the same form."""
MAX_SECONDS: Final = 1800.0
"""A whole run."""
BOUNDS: Final = Bounds()


class State(StrEnum):
    """What became of an entry of the manifest."""

    KEPT = "kept"
    FETCHED = "fetched"
    MADE = "made"
    MISSING = "missing"
    NOT_PUBLIC = "in no repository"


@dataclass(frozen=True, slots=True)
class Outcome:
    """An entry and what became of it; `reason` where it is not there."""

    relative: str
    state: State
    reason: str = ""


class VectorsError(Exception):
    """Nothing can be fetched at all; the text says why."""


@dataclass(frozen=True, slots=True)
class Cache:
    """The folder that is filled, and what should be in it."""

    folder: Path
    manifest: Mapping[str, Origin]

    def path(self, relative: str) -> Path:
        """Return where a file belongs. Raises VectorsError for a name that leads elsewhere."""
        if relative.startswith("/") or ".." in PurePosixPath(relative).parts:
            raise VectorsError(f"the manifest names {relative}")
        return self.folder / relative

    def holds(self, relative: str) -> bool:
        """Return whether a file is there, or committed, and is the right one."""
        sha256 = self.manifest[relative]["sha256"]
        return any(_digest(path) == sha256 for path in (self.path(relative), vectors.HERE / relative))

    def store(self, relative: str, data: bytes) -> None:
        """Write a file whose digest is right. Raises OSError."""
        path = self.path(relative)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        part.write_bytes(data)
        part.replace(path)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs out. Raises VectorsError."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / ".lock").open("wb")
        except OSError as error:
            raise VectorsError(f"{self.folder}: {error.strerror}") from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise VectorsError(f"another run fills {self.folder}") from None
            yield


@dataclass(frozen=True, slots=True)
class Filling:
    """One run. `base` has no `/` at its end."""

    cache: Cache
    base: str
    transfer: Transfer

    async def public(self, relative: str) -> Outcome:
        """Get a file that a repository has."""
        if self.cache.holds(relative):
            return Outcome(relative, State.KEPT)
        origin = self.cache.manifest[relative]
        repository, commit, path = origin["repository"], origin["commit"], origin["path"]
        url = f"{self.base}/{quote(f'{repository}/{commit}/{path}')}"
        try:
            recipe = RECIPES.get(origin.get("note", ""))
            if recipe is None:
                await self.transfer.file(url, self.cache.path(relative), origin["sha256"])
                return Outcome(relative, State.FETCHED)
            urls = [url, *(f"{url.rpartition('/')[0]}/{quote(name)}" for name in recipe.beside)]
            sources = [await self.transfer.content(url) for url in urls]
            return self._made(relative, recipe, sources) or Outcome(
                relative, State.MISSING, f"what {url} holds does not give SHA-256 {origin['sha256']}"
            )
        except TransferError as error:
            return Outcome(relative, State.MISSING, f"{url} {error}")
        except OSError as error:
            return Outcome(relative, State.MISSING, str(error))

    def derived(self, relative: str) -> Outcome:
        """Get a file that no repository has: from one that is the same, or that it is made from."""
        if self.cache.holds(relative):
            return Outcome(relative, State.KEPT)
        origin = self.cache.manifest[relative]
        note = origin.get("note", "")
        for other, entry in self.cache.manifest.items():
            if entry["sha256"] == origin["sha256"] and other != relative and self.cache.holds(other):
                self.cache.store(relative, self._read(other))
                return Outcome(relative, State.MADE)
        source = REPORT_OF.match(note)
        if source and source["vector"] in self.cache.manifest and self.cache.holds(source["vector"]):
            made = self._made(relative, REPORT, [self._read(source["vector"])])
            if made is not None:
                return made
        return Outcome(relative, State.NOT_PUBLIC, note)

    def _made(self, relative: str, recipe: Recipe, sources: Sequence[bytes]) -> Outcome | None:
        data = recipe.made(sources, self.cache.manifest[relative]["sha256"])
        if data is None:
            return None
        self.cache.store(relative, data)
        return Outcome(relative, State.MADE)

    def _read(self, relative: str) -> bytes:
        path = self.cache.path(relative)
        return (path if path.is_file() else vectors.HERE / relative).read_bytes()


async def fill(cache: Cache, base: str, *, bounds: Bounds = BOUNDS, seconds: float = MAX_SECONDS) -> list[Outcome]:
    """Fill a cache; return what became of each entry, in the order of the manifest. Raises VectorsError."""
    check_base(base)
    for relative in cache.manifest:
        cache.path(relative)
    with cache.locked():
        async with httpx.AsyncClient(headers={"user-agent": "attestack-vectors"}) as client:
            filling = Filling(cache, base.rstrip("/"), Transfer(client, bounds))
            public = [relative for relative, origin in cache.manifest.items() if origin["repository"]]
            outcomes = await _in_time([filling.public(relative) for relative in public], public, seconds)
        outcomes += [filling.derived(relative) for relative in cache.manifest if relative not in set(public)]
    order = list(cache.manifest)
    return sorted(outcomes, key=lambda outcome: order.index(outcome.relative))


async def _in_time(
    work: Sequence[Coroutine[None, None, Outcome]], names: Sequence[str], seconds: float
) -> list[Outcome]:
    """Do all that can be done within the time."""
    tasks = [asyncio.create_task(each) for each in work]
    if not tasks:
        return []
    _, late = await asyncio.wait(tasks, timeout=seconds)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    reason = f"the run took longer than {seconds:g} s"
    return [
        Outcome(name, State.MISSING, reason) if task in late else task.result()
        for name, task in zip(names, tasks, strict=True)
    ]


def check_base(base: str) -> None:
    """Raise VectorsError if nothing is fetched from there."""
    try:
        url = httpx.URL(base)
    except httpx.InvalidURL:
        raise VectorsError(f"{base} is no address") from None
    reason = why_not(url)
    if reason is None and (url.query or url.fragment):
        reason = "has a query or a fragment"
    if reason is not None:
        raise VectorsError(f"{base}: {reason}")


def report(outcomes: Sequence[Outcome], folder: Path) -> int:
    """Print what became of the entries; return the exit status."""
    for outcome in outcomes:
        if outcome.reason:
            sys.stdout.write(f"{outcome.state}: {outcome.relative}: {outcome.reason}\n")
    counts = Counter(outcome.state for outcome in outcomes)
    counted = ", ".join(f"{counts[state]} {state}" for state in State if counts[state])
    if counts[State.MISSING]:
        sys.stderr.write(f"vectors: not all are there ({counted}; {folder}): run it again, it goes on from there\n")
        return 1
    sys.stdout.write(f"vectors: ok ({counted}; {folder})\n")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; return the exit status."""
    parser = argparse.ArgumentParser(prog="fetch_vectors", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--base", default=os.environ.get("ATTESTACK_VECTORS_BASE") or BASE, help="default: %(default)s")
    parser.add_argument("--folder", type=Path, default=vectors.cache_folder(), help="default: %(default)s")
    options = parser.parse_args(arguments)
    try:
        outcomes = asyncio.run(fill(Cache(options.folder, vectors.manifest()), options.base))
    except VectorsError as error:
        sys.stderr.write(f"vectors: {error}\n")
        return 1
    return report(outcomes, options.folder)


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


if __name__ == "__main__":
    sys.exit(main())
