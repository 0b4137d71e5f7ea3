r"""How an event becomes one line, as text or as JSON.

    2026-11-25T15:00:00.000Z INFO kbs.sessions: session opened id=4f1c tee=snp
    {"timestamp":"2026-11-25T15:00:00.000Z","level":"INFO","target":"kbs","message":"session opened","fields":{...}}

Nothing in a message or a value can begin a line or drive a terminal: what is not printable (controls, line and
paragraph separators, bidirectional marks) is written as `\n` or `\u202e`, and a value with anything beside plain
characters stands in quotes. A value is cut at 2048 characters. A `Secret` shows as `Secret(...)`, alone or inside other
values.

An exception shows as its kind and the places it went through. Its text is shown only where it is known to hold no
secret: for our own errors and for those of the operating system. A foreign text may quote its input.
"""

from __future__ import annotations

import functools
import json
import logging
import re
import time
import traceback
from abc import ABC, abstractmethod
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from attestack_common.errors import code_and_advice

if TYPE_CHECKING:
    from collections.abc import Mapping

FIELDS: Final = "attestack_fields"
"""The attribute of a log record that holds its fields."""

MAX_VALUE: Final = 2048

_plain: Final = re.compile(r"[A-Za-z0-9_.,:;/@%+*()\[\]<>{}#?&!~^|$'-]+", re.ASCII).fullmatch
_MAX_PLACES: Final = 12
_SHORT: Final = 64
"""Characters of a message or value whose form is kept for the next event: most come again and again."""
_KNOWN: Final = 512
"""Forms of either that are kept."""
_compact: Final = json.JSONEncoder(separators=(",", ":")).encode


class LineFormatter(logging.Formatter, ABC):
    """One line for each event."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        return self.line(record.created, _level(record), record.name, _message(record), _fields(record))

    @abstractmethod
    def line(self, seconds: float, level: str, target: str, message: str, fields: Mapping[str, object]) -> str:
        """Return the line of an event that has no record, `seconds` after the epoch."""


class TextFormatter(LineFormatter):
    """One line of text for each event."""

    def line(self, seconds: float, level: str, target: str, message: str, fields: Mapping[str, object]) -> str:
        """Return the line, without its end."""
        event = _known_event if len(message) <= _SHORT else _event
        parts = [_timestamp(int(seconds * 1000)), event(level, target, message)]
        for name, value in fields.items():
            if (type(value) is str and len(value) <= _SHORT) or type(value) is int:
                parts.append(_known_field(name, value))
            else:
                parts.append(_field(name, value))
        return "".join(parts)


class JsonFormatter(LineFormatter):
    """One JSON object for each event."""

    def line(self, seconds: float, level: str, target: str, message: str, fields: Mapping[str, object]) -> str:
        """Return the line, without its end."""
        event = {
            "timestamp": _timestamp(int(seconds * 1000)),
            "level": level,
            "target": target,
            "message": _cut(message),
            "fields": {name: _native(value) for name, value in fields.items()},
        }
        return _compact(event)


def _event(level: str, target: str, message: str) -> str:
    return _escape(f" {level} {target}: {message}")


def _field(name: str, value: object) -> str:
    return _escape(f" {name}={_quoted(value)}")


_known_event: Final = functools.lru_cache(maxsize=_KNOWN)(_event)
_known_field: Final = functools.lru_cache(maxsize=_KNOWN)(_field)


@functools.lru_cache(maxsize=4)
def _timestamp(milliseconds: int) -> str:
    whole, rest = divmod(milliseconds, 1000)
    return f"{_second(whole)}.{rest:03}Z"


@functools.lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _level(record: logging.LogRecord) -> str:
    return "WARN" if record.levelno == logging.WARNING else record.levelname


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):  # a library's arguments do not fit its format
        return str(record.msg)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = getattr(record, FIELDS, {})
    if record.exc_info and record.exc_info[1] is not None:
        fields = {**fields, "error": record.exc_info[1]}
    return fields


def _native(value: object) -> object:
    """Return what JSON has a type for as it is, anything else as text."""
    if value is None or isinstance(value, (bool, int)) or (isinstance(value, float) and isfinite(value)):
        return value
    return _cut(_text(value))


def _quoted(value: object) -> str:
    """Return a value as it stands in a line, but for the escapes of what is not printable."""
    text = _cut(_text(value))
    if _plain(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, BaseException):
        return describe(value)
    if value is None or isinstance(value, bool):
        return str(value).lower()
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001  # a log line must not fail because of what it shows
        return f"<{type(value).__name__} raises {type(error).__name__}>"


def describe(error: BaseException) -> str:
    """Return kind, text where that is safe, and the places an exception went through, innermost first."""
    if code_and_advice(error)[0] != "INTERNAL":
        return str(error)
    kind = type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        kind += f": {error.strerror}"
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{_file(frame.filename)}:{frame.lineno}({frame.name})" for frame in reversed(frames)]
    if len(places) > _MAX_PLACES:
        places[_MAX_PLACES - 1 : -1] = ["..."]
    return f"{kind} at {' < '.join(places)}" if places else kind


def _file(path: str) -> str:
    return "/".join(path.split("/")[-2:])


def _cut(text: str) -> str:
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}... ({len(text)} characters)"


def _escape(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
