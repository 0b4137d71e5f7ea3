"""What a small program pays for at its start: nothing heavy is loaded before it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("uvicorn", "httptools", "uvloop", "yaml", "brotli", "zstandard", "ctypes", "difflib", "email")
HEAVIER = (*HEAVY, "asyncio", "ssl")


@pytest.mark.parametrize(
    ("module", "not_loaded"),
    [
        ("attestack_common", (*HEAVIER, "msgspec", "logging")),
        ("attestack_common.errors", (*HEAVIER, "msgspec", "logging")),
        ("attestack_common.secret", (*HEAVIER, "msgspec", "logging")),
        ("attestack_common.files", (*HEAVIER, "msgspec", "logging", "tempfile")),
        ("attestack_common.logs", (*HEAVIER, "msgspec")),
        ("attestack_common.config", HEAVIER),
        ("attestack_common.process", (*HEAVY, "msgspec")),
        ("attestack_common.http_server", (*HEAVY, "msgspec")),
    ],
)
def test_importing_does_not_load(module: str, not_loaded: tuple[str, ...]) -> None:
    code = f"import sys, {module}; print(*(name for name in {not_loaded!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == []
