"""Every policy in the repository and in the recordings, for tests that hold for all of them.

*.rego                      below `host` and in the recorded stores
blocks of the pages         ```rego
strings of Python sources   that start with `package policy`: in tests, in the demonstration
recordings                  uploads, which are in base64url
"""

from __future__ import annotations

import ast
import base64
import re
from typing import TYPE_CHECKING, Final

from tests.conformance.recordings import WIRE
from tests.house.sources import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PYTHON: Final = ("cli", "client", "common", "deploy", "guest", "host", "lab", "protocol", "tests")
_BLOCK: Final = re.compile(r"^```rego\n(.*?)^```", re.MULTILINE | re.DOTALL)
_UPLOAD: Final = re.compile(rb"cGFja2FnZSBwb2xpY3[A-Za-z0-9_-]+")  # package polic
_RULE: Final = re.compile(r"^(?:default\s+)?([A-Za-z_]\w*)\s*(?::=|=|\bif\b|\bcontains\b)", re.MULTILINE)


def policies() -> dict[str, str]:
    """Texts of policies, each once, by where they stand first."""
    by_text: dict[str, str] = {}
    for origin, text in _all():
        by_text.setdefault(text, origin)
    return {origin: text for text, origin in by_text.items()}


def rules(text: str) -> list[str]:
    """The paths of the rules that a policy has; functions are none."""
    return [f"data.policy.{name}" for name in dict.fromkeys(_RULE.findall(text))]


def _all() -> Iterator[tuple[str, str]]:
    for path in sorted([*(ROOT / "host").rglob("*.rego"), *WIRE.rglob("*.rego")]):
        yield _name(path), path.read_text()
    for path in sorted((ROOT / "docs").rglob("*.md")):
        for number, text in enumerate(_BLOCK.findall(path.read_text())):
            yield f"{_name(path)}, block {number}", text
    for folder in _PYTHON:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield from ((f"{_name(path)}, line {line}", text) for line, text in _strings(path))
    for path in sorted([*WIRE.rglob("*.json"), *(WIRE / "stores" / "localjson").iterdir()]):
        for number, encoded in enumerate(dict.fromkeys(_UPLOAD.findall(path.read_bytes()))):
            yield f"{_name(path)}, upload {number}", base64.urlsafe_b64decode(encoded + b"==").decode()


def _strings(path: Path) -> Iterator[tuple[int, str]]:
    source = path.read_text()
    if "package policy" in source:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _is_policy(node.value):
                yield node.lineno, node.value


def _is_policy(text: str) -> bool:
    return text.startswith("package policy\n") and bool(rules(text))


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))
