"""Published vectors: found on this machine by `manifest.json`, never committed.

The manifest has for each file its repository, commit, path there and SHA-256; a file with no repository was derived
from another one, as its note says. Files are looked for in the folder that ATTESTACK_VECTORS names, then in
`../shared/vectors` beside the project, then in the cache that `make vectors` fills. A file that differs from the
manifest fails the test; one that is absent skips it, by name, or in CI fails it.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from pathlib import Path
from typing import Final, NotRequired, TypedDict

import pytest

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
MANIFEST: Final = HERE / "manifest.json"


class Origin(TypedDict):
    """Where a file comes from. `repository`, `commit` and `path` are null for a file derived from another one."""

    repository: str | None
    commit: str | None
    path: str | None
    sha256: str
    note: NotRequired[str]


@functools.cache
def manifest() -> dict[str, Origin]:
    """Read the manifest: path below the vectors folder to origin."""
    entries: dict[str, Origin] = json.loads(MANIFEST.read_text())
    return entries


def cache_folder() -> Path:
    """Return the folder that `make vectors` fills: the one that ATTESTACK_VECTORS names, or one in the user's cache."""
    named = os.environ.get("ATTESTACK_VECTORS")
    if named:
        return Path(named)
    caches = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (caches if caches.is_absolute() else Path.home() / ".cache") / "attestack" / "vectors"


def folders() -> list[Path]:
    """List where vectors are looked for, in this order; what is committed here comes first."""
    named = os.environ.get("ATTESTACK_VECTORS")
    return [HERE, *([Path(named)] if named else []), ROOT.parent / "shared" / "vectors", cache_folder()]


def vector(relative: str) -> Path:
    """Find one published vector, for example `snp/upstream/test-report.bin`. Skips the test when it is absent."""
    origin = manifest().get(relative)
    if origin is None:
        pytest.fail(f"{relative} is not in {MANIFEST.name}", pytrace=False)
    for folder in folders():
        path = folder / relative
        if path.is_file():
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            if digest != origin["sha256"]:
                pytest.fail(f"{path} has SHA-256 {digest}, the manifest says {origin['sha256']}", pytrace=False)
            return path
    source = f"{origin['repository']} {origin['path']}" if origin["repository"] else "derived"
    reason = f"vector {relative} ({source}) is absent: run make vectors, or set ATTESTACK_VECTORS to its folder"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
