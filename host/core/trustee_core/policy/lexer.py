"""Rego text as tokens: enough to bound a policy before the engine parses it, and to see whose names it uses.

The alphabet is the engine's: names are ASCII, strings are `"..."` with escapes or `` `...` `` without, a comment runs
from `#` to the end of its line. What is neither becomes a mark of one character, which the engine then refuses.
"""

from __future__ import annotations

import json
import re
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class Kind(Enum):
    """What a token is."""

    NAME = "name"
    STRING = "string"
    NUMBER = "number"
    MARK = "mark"


class Token(NamedTuple):
    """One token. `line` counts from 1; `end` is the column behind the token's last character, counted from 0."""

    kind: Kind
    text: str
    line: int
    end: int

    @property
    def string(self) -> str:
        """The value of a string. Where an escape is not one of JSON's, the text between the quotes."""
        if self.text.startswith("`"):
            return self.text[1:-1]
        try:
            return str(json.loads(self.text))
        except ValueError:
            return self.text[1:-1]


_TOKEN: Final = re.compile(
    r"""(?P<skip>[ \t\r\n]+|\#[^\n]*)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`)
    |(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
    |(?P<mark>:=|==|!=|<=|>=|.)""",
    re.VERBOSE | re.DOTALL,
)


def tokens(text: str) -> Iterator[Token]:
    """Yield the tokens of a policy, without spaces and comments. Takes time linear in the text; raises nothing."""
    line, line_start = 1, 0
    for match in _TOKEN.finditer(text):
        part = match.group()
        if match.lastgroup != "skip":
            first_line_end = part.find("\n")
            end = match.end() if first_line_end < 0 else match.start() + first_line_end
            yield Token(Kind(match.lastgroup), part, line, end - line_start)
        newlines = part.count("\n")
        if newlines:
            line += newlines
            line_start = match.start() + part.rindex("\n") + 1
