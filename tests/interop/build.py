"""Build the peer programs into a cache outside the tree: once for a state of their sources and a version of the tool.

    ${XDG_CACHE_HOME:-~/.cache}/attestack/interop/<name>-<digest>/peer

What is built is pinned by hash: `go/go.sum`, and `rust/crates.lock`, which is cargo's lock file without the address of
the registry: that is added here, as cargo itself names it, before `cargo build --locked`.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER: Final = Path(__file__).parent
BUILD_SECONDS: Final = 480


@dataclass(frozen=True, slots=True)
class Program:
    """A peer program: what it is written in, and how it is built in a copy of its folder."""

    name: str
    tool: str
    version: tuple[str, ...]
    build: Callable[[Path], Path]

    @property
    def missing(self) -> str | None:
        """Why it cannot be built on this machine, or None."""
        return None if shutil.which(self.tool) else f"{self.tool} is not installed"

    def executable(self) -> Path:
        """Return the program, built if it is not in the cache. Raises CalledProcessError, TimeoutExpired."""
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "attestack" / "interop"
        program = cache / f"{self.name}-{self._digest()}" / "peer"
        if program.is_file():
            return program
        cache.mkdir(parents=True, exist_ok=True)
        with (cache / f"{self.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not program.is_file():
                self._build(cache, program)
        return program

    def _digest(self) -> str:
        state = hashlib.sha256(run(self.version).encode())
        for path in sorted((FOLDER / self.name).rglob("*")):
            if path.is_file():
                state.update(f"{path.relative_to(FOLDER)}\0".encode() + path.read_bytes() + b"\0")
        return state.hexdigest()[:16]

    def _build(self, cache: Path, program: Path) -> None:
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            sources = Path(scratch) / "sources"
            shutil.copytree(FOLDER / self.name, sources)
            built = self.build(sources)
            (Path(scratch) / "done").mkdir()
            built.rename(Path(scratch) / "done" / "peer")
            (Path(scratch) / "done").rename(program.parent)


def build_go(sources: Path) -> Path:
    """Build without a C compiler, from exactly the modules of go.sum."""
    run(("go", "build", "-mod=readonly", "-trimpath", "-o", "peer", "."), sources, CGO_ENABLED="0", GOTOOLCHAIN="local")
    return sources / "peer"


def build_rust(sources: Path) -> Path:
    """Build from exactly the crates of crates.lock."""
    project = json.loads(run(("cargo", "metadata", "--no-deps", "--format-version=1"), sources))
    (registry,) = {dependency["source"] for dependency in project["packages"][0]["dependencies"]}
    lock = (sources / "crates.lock").read_text()
    (sources / "Cargo.lock").write_text(lock.replace("\nchecksum = ", f'\nsource = "{registry}"\nchecksum = '))
    target = sources / "target"
    run(("cargo", "build", "--quiet", "--locked"), sources, CARGO_TARGET_DIR=str(target))
    return target / "debug" / "peer"


def pin_crates() -> None:
    """Write crates.lock again, with the newest versions that Cargo.toml allows."""
    with tempfile.TemporaryDirectory() as scratch:
        sources = Path(scratch) / "rust"
        shutil.copytree(FOLDER / "rust", sources)
        run(("cargo", "generate-lockfile", "--quiet"), sources)
        lines = (sources / "Cargo.lock").read_text().splitlines(keepends=True)
    (FOLDER / "rust" / "crates.lock").write_text("".join(line for line in lines if not line.startswith("source = ")))


def run(command: tuple[str, ...], folder: Path = FOLDER, **environment: str) -> str:
    """Run a command and return what it prints. What it says when it fails is a note of the exception."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        error.add_note(error.stderr[-4000:])
        raise
    return done.stdout


GO: Final = Program("go", "go", ("go", "version"), build_go)
RUST: Final = Program("rust", "cargo", ("cargo", "--version"), build_rust)
