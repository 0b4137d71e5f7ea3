"""The two texts that LocalJson keeps of a namespace: the values, and when they expire.

The values are one JSON object: key to value, in base64 with the URL-safe alphabet and padding. It is written as the
Rust programs write it: without white space, characters outside ASCII as they are, members in the order in which they
came (theirs is arbitrary).

The times are one JSON object too: key to an object that has, for each text of the value that expires, the SHA-256 of
that text in hex, and when it expires in microseconds since 1970. A text of which nothing is said does not expire.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import TYPE_CHECKING, Any, Final

from attestation_protocol.encoding import compact_json, parse_json
from attestation_protocol.errors import EncodingError

from trustee_core.storage.rules import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    Texts = dict[str, str]
    Notes = dict[str, dict[str, int]]

_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_NEVER: Final = 1 << 63


class DamagedError(Exception):
    """Bytes that are not what they should be; the text says what is wrong, in a clause."""


def parse_values(data: bytes) -> Texts:
    """Read the values of a namespace, still as their texts, in their order. Raises DamagedError."""
    members = _object(data)
    for key, text in members.items():
        if not isinstance(text, str):
            raise DamagedError(f"the value of `{shown(key)}` is not a string")
    return members


def encode_values(texts: Mapping[str, str]) -> bytes:
    """Write the values of a namespace. Keys and texts can be written in UTF-8."""
    return compact_json(texts)


def parse_notes(data: bytes) -> Notes:
    """Read when the values of a namespace expire. Raises DamagedError."""
    members = _object(data)
    for times in members.values():
        if not isinstance(times, dict):
            raise DamagedError("not an object of objects")
        for digest, time in times.items():
            if not _DIGEST.fullmatch(digest) or type(time) is not int or not 0 <= time < _NEVER:
                raise DamagedError("an entry is not the time of a digest")
    return members


def encode_notes(notes: Notes) -> bytes:
    """Write when the values of a namespace expire."""
    return compact_json(notes)


def encode_value(value: bytes) -> str:
    """Write a value as its text."""
    return base64.urlsafe_b64encode(value).decode("ascii")


def decode_value(text: str) -> bytes:
    """Read a value from its text. Raises DamagedError."""
    try:
        value = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise DamagedError("not base64 with the URL-safe alphabet and padding") from None
    # The library takes both alphabets and stray bits; the Rust programs take neither.
    if encode_value(value) != text:
        raise DamagedError("base64 of another alphabet, or with stray bits")
    return value


def digest(text: str) -> str:
    """Return the SHA-256 of a value's text, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def size_of(key: str, text: str) -> int:
    """Return how many bytes a value takes: its member and the comma after it."""
    return len(compact_json(key)) + len(text) + 4


def _object(data: bytes) -> dict[str, Any]:
    try:
        members = parse_json(data)
    except EncodingError as error:
        raise DamagedError(error.message) from None
    if not isinstance(members, dict):
        raise DamagedError("not a JSON object")
    return members
