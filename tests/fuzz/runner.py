"""Run one harness under atheris: `python -m tests.fuzz.runner NAME SECONDS FOLDER`, a process of its own.

libFuzzer ends the process itself: status 0 when the time is over, 77 when the target raised, another one when it was
too slow or too big. The input that did it stays in FOLDER.
"""

from __future__ import annotations

import importlib
import sys
import tomllib
from pathlib import Path
from typing import Final

import atheris

ROOT: Final = Path(__file__).parents[2]
MAX_LEN: Final = 4096
_SECONDS_PER_INPUT: Final = 10
_MEMORY_MB: Final = 1024


def packages() -> list[str]:
    """Our import packages, as pyproject.toml ships them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return [Path(path).name for path in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]]


def main(name: str, seconds: int, folder: Path) -> None:
    """Import the harness with our packages instrumented, write its seeds, and fuzz. Does not return."""
    with atheris.instrument_imports(include=packages()):
        harness = importlib.import_module(f"tests.fuzz.{name}")
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(harness.SEEDS()):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = (
        f"-max_total_time={seconds}",
        f"-max_len={getattr(harness, 'MAX_LEN', MAX_LEN)}",
        f"-timeout={_SECONDS_PER_INPUT}",
        f"-rss_limit_mb={_MEMORY_MB}",
        f"-artifact_prefix={folder}/",
        "-print_final_stats=1",
    )
    atheris.Setup([name, str(corpus), *options], harness.TARGET)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
