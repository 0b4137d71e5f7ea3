"""Scalars as leniently as the Rust crate `config` reads them.

    boolean       true and false; a number (0 is false); 1, true, on, yes, 0, false, off, no as text, in any case
    whole number  an integer; a number without fraction; decimal digits as text, with or without a sign
    number        a number; a decimal number as text
    text          a text; a number or a boolean as it would be written (1.20 is `1.2`, 2.0 is `2`)

What cannot be read is returned as it came: who knows the key says what was wanted.
"""

from __future__ import annotations

import re
from typing import Final

_TRUE: Final = frozenset({"1", "true", "on", "yes"})
_FALSE: Final = frozenset({"0", "false", "off", "no"})
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]{1,32}(?:\.[0-9]{0,32})?|\.[0-9]{1,32})(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)


def to_bool(value: object) -> object:
    """Read a boolean."""
    if isinstance(value, (int, float)):
        return value != 0
    if isinstance(value, str):
        word = value.lower()
        return True if word in _TRUE else False if word in _FALSE else value
    return value


def to_int(value: object) -> object:
    """Read a whole number; a boolean is not one."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    return value


def to_float(value: object) -> object:
    """Read a number; a boolean is not one."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value)
    return value


def to_text(value: object) -> object:
    """Read a text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value) if isinstance(value, int) else value
