"""Notes of LocalFs: when a value expires, one line for each state of the value that a crash could leave.

A line is the time in microseconds since 1970, a space, the SHA-256 of the value in hex. A value of which no line
speaks does not expire: another program wrote it. Lines of other values do no harm, so the notes of values that were
written together are one file with several names, where the file system can do that.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_NOTE: Final = 1024
"""Bytes of a note."""
MAX_LINES: Final = 8

_NOTE: Final = re.compile(rb"(?:[0-9]{1,19} [0-9a-f]{64}\n){1,%d}" % MAX_LINES)


class DamagedNoteError(Exception):
    """A note that nobody can have written whole."""


@dataclass(frozen=True, slots=True)
class Line:
    """When the value of this digest expires, in microseconds since 1970."""

    expires_at: int
    digest: str


Note = tuple[Line, ...]
"""All that is noted of a value; nothing: it does not expire."""


def digest_of(value: bytes) -> str:
    """Return the digest of a value as its line has it."""
    return hashlib.sha256(value).hexdigest()


def parse_note(text: bytes) -> Note:
    """Read a note's file. Raises DamagedNoteError."""
    if not _NOTE.fullmatch(text):
        raise DamagedNoteError
    return tuple(Line(int(at), digest) for at, digest in map(str.split, text.decode("ascii").splitlines()))


def note_text(note: Sequence[Line]) -> bytes:
    """Write the file of a note, or of several, that has lines."""
    return "".join(f"{line.expires_at} {line.digest}\n" for line in note).encode("ascii")


def is_alive(value: bytes, note: Note, now: int) -> bool:
    """Return whether a value has not expired at `now`, in microseconds since 1970."""
    if not note:
        return True
    digest = digest_of(value)
    return all(line.expires_at > now for line in note if line.digest == digest)
