"""A configuration file as a document: tables of texts, numbers, booleans, lists and tables.

The format is told by the file's extension, as the Rust crate `config` does it: `toml`, `json`, `yaml` or `yml`. An
existing file with another extension is refused; when there is no file of the given name, the name with each of these
extensions behind it is tried, in this order.

    size     at most 1 MiB, nested at most 32 deep
    keys     texts; one that stands twice in a table is refused in every format
    dates    become their text (RFC 3339)
    YAML     the core schema of YAML 1.2, as the Rust programs read it: `on`, `1:30` and `2024-01-01` are texts; no
             anchors and aliases, no tags of other languages
"""

from __future__ import annotations

import datetime as dt
import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from attestack_common.errors import ConfigError
from attestack_common.files import read_bounded

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

MAX_BYTES: Final = 1024 * 1024
MAX_DEPTH: Final = 32


def load_document(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a configuration file. An empty file is an empty document. Raises ConfigError that names the file."""
    found = _find(Path(path))
    try:
        text = read_bounded(found, MAX_BYTES).decode("utf-8-sig")
        document = _PARSERS[found.suffix](text) if text.strip() else {}
    except UnicodeDecodeError as error:
        raise _refusal(found, f"byte {error.start} is not UTF-8") from None
    except RecursionError:
        raise _refusal(found, f"nested deeper than {MAX_DEPTH}") from None
    except ValueError as error:
        raise _refusal(found, str(error)) from None
    if document is None:
        return {}  # YAML of comments alone
    if not isinstance(document, dict):
        raise _refusal(found, "the document is not a table of keys")
    return _plain(document, found)


def _find(path: Path) -> Path:
    if path.is_file():
        if path.suffix in _PARSERS:
            return path
        raise ConfigError(
            f"{path}: the extension does not tell the format",
            code="CONFIG-FORMAT",
            advice=f"end the name of the file in {', '.join(_PARSERS)}",
        )
    for suffix in _PARSERS:
        longer = path.with_name(path.name + suffix)
        if longer.is_file():
            return longer
    raise ConfigError(
        f"{path}: there is no such file", code="CONFIG-FILE", advice="check the path of the configuration"
    )


def _refusal(path: Path, reason: str) -> ConfigError:
    return ConfigError(f"{path}: {reason}", code="CONFIG-SYNTAX")


def _plain(document: dict[str, Any], path: Path) -> dict[str, Any]:
    """Bound the depth, make dates texts, refuse what no configuration has. In place, without recursion."""
    layer: list[Any] = [document]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for container in layer:
            for key, value in list(container.items() if isinstance(container, dict) else enumerate(container)):
                if isinstance(container, dict) and not isinstance(key, str):
                    raise _refusal(path, f"the key {key!r} is not a text")
                if isinstance(value, (dict, list)):
                    below.append(value)
                elif isinstance(value, (dt.date, dt.time)):
                    container[key] = value.isoformat()
                elif value is not None and not isinstance(value, (str, int, float)):
                    raise _refusal(path, f"{type(value).__name__} is not a kind of value that a configuration has")
        if not below:
            return document
        layer = below
    raise _refusal(path, f"nested deeper than {MAX_DEPTH}")


def _json(text: str) -> Any:  # noqa: ANN401  # a document is what it is
    return json.loads(text, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        twice = next(key for key, _ in pairs if [other for other, _ in pairs].count(key) > 1)
        raise ValueError(f"the key {twice!r} stands twice in a table")
    return table


def _yaml(text: str) -> Any:  # noqa: ANN401  # a document is what it is
    import yaml  # noqa: PLC0415  # most configurations are TOML

    from attestack_common.config.yaml_core import CoreLoader  # noqa: PLC0415

    try:
        return yaml.load(text, CoreLoader)  # noqa: S506  # a SafeLoader with fewer types
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}: " if mark else ""
        raise ValueError(f"{place}{getattr(error, 'problem', None) or 'not YAML'}") from None
    except (ValueError, TypeError):  # a tag that does not fit its value; the text would show the value
        raise ValueError("a value does not fit its tag") from None


_PARSERS: Final[Mapping[str, Callable[[str], Any]]] = {
    ".toml": tomllib.loads,
    ".json": _json,
    ".yaml": _yaml,
    ".yml": _yaml,
}
