"""Keys of a configuration that nothing reads: named together, once, with the key that was probably meant."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from attestack_common.errors import ConfigError
from attestack_common.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_LOG: Final = get_logger("config")
_INDEX: Final = re.compile(r"\[[0-9]+\]")
_MAX_NAMED: Final = 20


class UnknownKeys:
    """The unknown keys of one document."""

    def __init__(self, source: str, *, strict: bool, closed: Sequence[str]) -> None:
        self._source = source
        self._strict = strict
        self._closed = closed
        self._refused: list[str] = []
        self._warned: list[str] = []

    def add(self, table: str, name: str, known: Iterable[str], *, closed: bool) -> None:
        """Take note of a key. `known` are the keys that its table may have; `closed` says that no other is allowed."""
        refused = closed or self._strict or self._below_closed(table)
        names = self._refused if refused else self._warned
        dotted = f"{table}.{name}" if table else name
        names.append(dotted if len(names) >= _MAX_NAMED else dotted + _suggestion(name, known))

    def report(self) -> None:
        """Warn of what was found. Raises ConfigError when some of it is refused."""
        if self._refused:
            raise ConfigError(
                f"{self._source}: unknown {_listed(self._refused)}",
                code="CONFIG-UNKNOWN-KEY",
                advice="correct the spelling or remove the key",
            )
        if self._warned:
            _LOG.warning(f"configuration has unknown {_listed(self._warned)}", source=self._source)

    def _below_closed(self, table: str) -> bool:
        plain = _INDEX.sub("", table)
        return any(plain == prefix or plain.startswith(f"{prefix}.") for prefix in self._closed)


def _listed(names: list[str]) -> str:
    more = len(names) - _MAX_NAMED
    rest = f" and {more} more" if more > 0 else ""
    return f"{'key' if len(names) == 1 else 'keys'} {', '.join(names[:_MAX_NAMED])}{rest}"


def _suggestion(name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415  # only a mistaken configuration needs it

    close = get_close_matches(name[:64], list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""
