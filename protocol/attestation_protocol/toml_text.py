"""TOML text from outside.

A dotted key costs its reader the square of its number of parts: 32 KiB of `a.a.a…` take seconds, a megabyte hours. So
a document is refused before it is read when it has, outside texts and comments, more than 16 dots in a line (a key
stands on one line) or more than 1024 in all. No document of init-data comes near either.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any, Final

from attestation_protocol.errors import EncodingError

MAX_DOTS_OF_A_LINE: Final = 16
MAX_DOTS: Final = 1024

# Each text ends where it must, or else at the end of its line or of the document: what follows is not read in any case.
# The repetitions are possessive, so that this takes linear time.
_TEXTS_AND_COMMENTS: Final = re.compile(
    r'''"""(?:[^"\\]++|\\.|""?(?!"))*+"{0,5}'''
    r"""|'''(?:[^']++|''?(?!'))*+'{0,5}"""
    r"""|"(?:[^"\\\n]++|\\[^\n])*+"?"""
    r"""|'[^'\n]*+'?"""
    r"""|\#[^\n]*+""",
    re.DOTALL,
)


def parse_toml(text: str) -> dict[str, Any]:
    """Read a document. Raises EncodingError (TOML, TOML-KEYS)."""
    try:
        text.encode()  # half of a surrogate pair is no text
        if text.count(".") > MAX_DOTS_OF_A_LINE:
            _check_dots(_TEXTS_AND_COMMENTS.sub("", text))
        return tomllib.loads(text)
    except EncodingError:
        raise
    except (ValueError, RecursionError):
        raise EncodingError("not a TOML document", code="TOML") from None


def _check_dots(keys_and_numbers: str) -> None:
    longest = max(line.count(".") for line in keys_and_numbers.split("\n"))
    if longest > MAX_DOTS_OF_A_LINE or keys_and_numbers.count(".") > MAX_DOTS:
        raise EncodingError(
            f"the keys of the TOML document have too many dots: {MAX_DOTS_OF_A_LINE} of a line, {MAX_DOTS} in all",
            code="TOML-KEYS",
        )
