"""The project's own files: packages, modules, functions."""

from __future__ import annotations

import ast
import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
GENERATED: Final = "_pb2.py"
_TREES: Final = (
    *(".ci", "changelog.d", "deploy", "docs", "mk", "tests"),
    *("cli", "client", "common", "guest", "host", "lab", "protocol"),
)
_TEXT: Final = frozenset(
    {"", ".cfg", ".json", ".md", ".mk", ".proto", ".py", ".pyi", ".rego", ".service", ".sh", ".toml", ".txt", ".yaml"}
)
_DOTTED: Final = frozenset({".gitattributes", ".gitignore", ".importlinter"})


@functools.cache
def project() -> dict[str, Any]:
    """pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def entry_points(group: str) -> dict[str, str]:
    """Entry points of one group, name to `module:object`. `scripts` is the group of the programs."""
    table = project()["project"]
    targets: dict[str, str] = table["scripts"] if group == "scripts" else table["entry-points"][group]
    return targets


def packages() -> dict[str, Path]:
    """Import packages by name, as the wheel ships them."""
    paths = project()["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    return {Path(path).name: ROOT / path for path in paths}


def modules() -> list[Path]:
    """All modules of the packages that are not generated."""
    found = [path for package in packages().values() for path in sorted(package.rglob("*.py"))]
    return [path for path in found if not path.name.endswith(GENERATED)]


def import_name(path: Path) -> str:
    """The name that a module of the packages is imported by."""
    name, folder = next((name, folder) for name, folder in packages().items() if path.is_relative_to(folder))
    parts = [name, *path.relative_to(folder).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@dataclass(frozen=True, slots=True)
class Function:
    """A function or method, and how many lines it takes from its first decorator to its end."""

    name: str
    lines: int


@functools.cache
def tree(path: Path) -> ast.Module:
    """The syntax tree of a module."""
    return ast.parse(path.read_text(), filename=str(path))


def functions(path: Path) -> list[Function]:
    """All functions of a module, nested ones too."""
    found = []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            found.append(Function(node.name, (node.end_lineno or first) - first + 1))
    return found


def committed_texts() -> list[Path]:
    """Every text file of the project but the recordings, which are other programs' words."""
    top = [path for path in ROOT.iterdir() if path.is_file() and (path.name in _DOTTED or path.name[0] != ".")]
    below = [
        path
        for folder in _TREES
        for path in sorted((ROOT / folder).rglob("*"))
        if path.is_file() and path.suffix in _TEXT and "__pycache__" not in path.parts
    ]
    recordings = ROOT / "tests" / "conformance" / "wire"
    return [path for path in (*top, *below) if not path.is_relative_to(recordings)]
