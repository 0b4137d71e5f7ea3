"""Texts of the libraries under the Rust services, as their clients have seen them: what was wrong with base64 or JSON.

Only texts. What is accepted is decided by `attestation_protocol.encoding`; where that refuses what those libraries let
pass (a member twice, half a surrogate pair), there is no text of theirs, and ours is sent.
"""

from __future__ import annotations

import json
import string
from typing import Final

_BASE64URL: Final = frozenset(string.ascii_letters + string.digits + "-_")
_JSON: Final = {
    "Expecting value": "expected value",
    "Extra data": "trailing characters",
    "Expecting ':' delimiter": "expected `:`",
    "Expecting property name enclosed in double quotes": "key must be a string",
}


def base64_text(text: str) -> str:
    """Say what is wrong with text that is not base64url without padding."""
    for offset, symbol in enumerate(text.rstrip("=").encode("utf-8", "surrogatepass")):
        if chr(symbol) not in _BASE64URL:
            return f"Invalid symbol {symbol}, offset {offset}."
    if text.endswith("="):
        return "Invalid padding"
    if len(text) % 4 == 1:
        return f"Invalid input length: {len(text)}"
    return f"Invalid last symbol {ord(text[-1])}, offset {len(text) - 1}."


def json_text(data: bytes, otherwise: str) -> str:
    """Say what is wrong with bytes that are not JSON, and where; `otherwise` when they are JSON all the same."""
    try:
        json.loads(data)
    except json.JSONDecodeError as error:
        reason = _JSON.get(error.msg, error.msg[:1].lower() + error.msg[1:])
        at_end = not error.doc[error.pos :].strip() and error.msg == "Expecting value"
        reason = "EOF while parsing a value" if at_end else reason
        column = error.colno - 1 if at_end else error.colno
        return f"{reason} at line {error.lineno} column {column}"
    except (ValueError, RecursionError):
        return otherwise
    return otherwise


def missing_field(name: str, data: bytes) -> str:
    """Say that the object which `data` holds lacks a member; that is noticed at the object's end."""
    read = data[: data.rfind(b"}") + 1]
    line = read.count(b"\n") + 1
    column = len(read) - (read.rfind(b"\n") + 1)
    return f"missing field `{name}` at line {line} column {column}"
