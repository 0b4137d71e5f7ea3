"""The filter directives that the Rust programs take in `RUST_LOG` and in their configuration (`tracing-subscriber`).

    filter      directive *( "," directive )
    directive   level | target | target "=" level
    level       off | error | warn | info | debug | trace, in any case, or 0 to 5
    target      a name and all names below it: `kbs`, `kbs.sessions` or `kbs::sessions`

`info,kbs=debug` logs what is at least `info`, and of `kbs` what is at least `debug`. A target alone logs everything of
it. What no directive names logs errors only (the Rust programs log nothing of it). Python has no level below `debug`:
`trace` means the same. Spans (`target[span{field=value}]`) do not exist here and are refused.
"""

from __future__ import annotations

import logging
import re
from typing import Final

from attestack_common.errors import ConfigError

OFF: Final = logging.CRITICAL + 10
ROOT: Final = ""

_LEVELS: Final = {
    "off": OFF, "0": OFF,
    "error": logging.ERROR, "1": logging.ERROR,
    "warn": logging.WARNING, "2": logging.WARNING,
    "info": logging.INFO, "3": logging.INFO,
    "debug": logging.DEBUG, "4": logging.DEBUG,
    "trace": logging.DEBUG, "5": logging.DEBUG,
}  # fmt: skip
_TARGET: Final = re.compile(r"[A-Za-z0-9_-]+(?:(?:::|\.)[A-Za-z0-9_-]+)*", re.ASCII)


def parse_directives(text: str, *, source: str) -> dict[str, int]:
    """Return the level of each target, that of everything else under `ROOT`. Raises ConfigError naming `source`."""
    levels = {ROOT: logging.ERROR}
    for part in text.split(","):
        directive = part.strip()
        if directive:
            target, level = _parse(directive, source)
            levels[target] = level
    return levels


def _parse(directive: str, source: str) -> tuple[str, int]:
    target, separator, level = (part.strip() for part in directive.partition("="))
    if not separator and directive.lower() in _LEVELS:
        return ROOT, _LEVELS[directive.lower()]
    number = _LEVELS.get(level.lower(), None if separator else logging.DEBUG)
    if number is None or not _TARGET.fullmatch(target):
        raise ConfigError(
            f"{source}: {directive!r} is not a log directive",
            code="LOG-DIRECTIVE",
            advice="write a level (off, error, warn, info, debug, trace) or TARGET=LEVEL, several with commas between",
        )
    return target.replace("::", "."), number
