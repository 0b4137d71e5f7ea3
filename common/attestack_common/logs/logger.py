"""The logger that our code uses, and the setting up of the process's log.

A disabled event costs one look-up: fields are neither converted nor copied. What happens before `configure`, for
example while the configuration is read, comes out as text from `warning` upwards.

An event becomes a `logging.LogRecord` only where somebody beside our handler may look at it: another handler, or a
filter. Otherwise its line is written at once. Either way the line is the same, and is out when the call returns.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from typing import Final

from attestack_common.errors import ConfigError
from attestack_common.logs.directives import parse_directives
from attestack_common.logs.lines import FIELDS, JsonFormatter, LineFormatter, TextFormatter

DEFAULT_DIRECTIVES: Final = "info"

_DEBUG, _INFO, _WARNING, _ERROR = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR
_NAMES: Final = {_DEBUG: "DEBUG", _INFO: "INFO", _WARNING: "WARN", _ERROR: "ERROR"}


class Logger:
    """Logs events of one target. Fields are public values: bytes of secrets are held in `Secret`, which never shows."""

    __slots__ = ("_enabled", "_inner")

    def __init__(self, inner: logging.Logger) -> None:
        self._inner = inner
        self._enabled = inner.isEnabledFor

    def debug(self, message: str, /, **fields: object) -> None:
        """Log what helps to find a mistake."""
        if self._enabled(_DEBUG):
            self._emit(_DEBUG, message, fields)

    def info(self, message: str, /, **fields: object) -> None:
        """Log what an operator wants to have on record."""
        if self._enabled(_INFO):
            self._emit(_INFO, message, fields)

    def warning(self, message: str, /, **fields: object) -> None:
        """Log what an operator should look at."""
        if self._enabled(_WARNING):
            self._emit(_WARNING, message, fields)

    def error(self, message: str, /, **fields: object) -> None:
        """Log what failed. An exception goes into a field: `error=exc`."""
        if self._enabled(_ERROR):
            self._emit(_ERROR, message, fields)

    def enabled_for_debug(self) -> bool:
        """Say whether `debug` does anything, where its fields would be dear to compute."""
        return self._enabled(_DEBUG)

    def _emit(self, level: int, message: str, fields: dict[str, object]) -> None:
        handler = _sole_handler(self._inner)
        if handler is not None:
            handler.write_event(level, self._inner.name, message, fields)
            return
        record = logging.LogRecord(self._inner.name, level, "", 0, message, (), None)
        setattr(record, FIELDS, fields)
        if self._inner.hasHandlers():
            self._inner.handle(record)
        elif level >= _WARNING:
            _BEFORE_CONFIGURE.handle(record)


def get_logger(name: str) -> Logger:
    """Return the logger of a target, a dotted name such as `kbs.sessions`."""
    return Logger(logging.getLogger(name))


def configure(level_directive: str | None, *, source: str = "log.level") -> None:
    """Send the process's log to standard error.

    `RUST_LOG` wins over `level_directive`, which wins over `info`; `source` names where the directive stands.
    `ATTESTACK_LOG_FORMAT` is `text` (default) or `json`. Can be called again: the last call holds.

    Raises:
        ConfigError: a directive or the format is not valid.
    """
    from_environment = os.environ.get("RUST_LOG", "").strip()
    if from_environment:
        level_directive, source = from_environment, "RUST_LOG"
    levels = parse_directives(level_directive or DEFAULT_DIRECTIVES, source=source)
    formatter = _formatter(os.environ.get("ATTESTACK_LOG_FORMAT", "") or "text")
    handler = _StderrHandler(formatter)
    root = logging.getLogger()
    root.handlers[:] = [*(other for other in root.handlers if not isinstance(other, _StderrHandler)), handler]
    for existing in list(logging.Logger.manager.loggerDict.values()):
        if isinstance(existing, logging.Logger) and existing.name not in levels:
            existing.setLevel(logging.NOTSET)
    for target, level in levels.items():
        logging.getLogger(target or None).setLevel(level)


def _formatter(name: str) -> LineFormatter:
    if name == "text":
        return TextFormatter()
    if name == "json":
        return JsonFormatter()
    raise ConfigError(f"ATTESTACK_LOG_FORMAT: {name!r} is not a format", code="LOG-FORMAT", advice="use text or json")


class _StderrHandler(logging.Handler):
    """Writes to whatever standard error is at that moment; a broken one does not disturb the program.

    An event that cannot be written is dropped: there is nowhere to say that the log is broken.
    """

    def __init__(self, lines: LineFormatter) -> None:
        super().__init__()
        self.lines: Final = lines
        self.setFormatter(lines)

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(Exception):
            _write(self.format(record))

    def write_event(self, level: int, target: str, message: str, fields: dict[str, object]) -> None:
        """Write what a record of the same event comes out as."""
        try:
            line = self.lines.line(time.time(), _NAMES[level], target, message, fields)
            with self.lock:  # type: ignore[union-attr]  # every handler makes one
                _write(line)
        except Exception:  # noqa: BLE001, S110  # as `emit`, without an object for each event
            pass


def _write(line: str) -> None:
    stream = sys.stderr
    stream.write(f"{line}\n")
    stream.flush()


def _sole_handler(logger: logging.Logger) -> _StderrHandler | None:
    """Return our handler where nobody else may look at an event of `logger`."""
    if logger.filters:
        return None
    while logger.parent is not None:
        if logger.handlers or not logger.propagate:
            return None
        logger = logger.parent
    handlers = tuple(logger.handlers)  # another thread may change them
    if len(handlers) != 1:
        return None
    handler = handlers[0]
    if (
        type(handler) is not _StderrHandler
        or handler.filters
        or handler.level
        or handler.formatter is not handler.lines
    ):
        return None
    return handler


_BEFORE_CONFIGURE: Final = _StderrHandler(TextFormatter())
