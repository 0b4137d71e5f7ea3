"""A namespace of LocalJson in memory, as a batch of operations changes it: nothing here touches the disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from trustee_core.storage.contract import StorageCorruptError, StorageError
from trustee_core.storage.local_json_document import DamagedError, decode_value, digest, encode_value, size_of
from trustee_core.storage.rules import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trustee_core.storage.local_json_document import Notes, Texts

MAX_FILE: Final = 256 << 20
"""Bytes of a namespace's file."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A value as its text, and when it expires in microseconds since 1970; None: never."""

    text: str
    expires_at: int | None

    def alive(self, now: int) -> bool:
        """Return whether the value is there at `now`, in microseconds since 1970."""
        return self.expires_at is None or self.expires_at > now


def entries_of(texts: Texts, notes: Notes) -> dict[str, Entry]:
    """Put texts and the times of their digests together."""
    return {
        key: Entry(text, times.get(digest(text)) if (times := notes.get(key)) else None) for key, text in texts.items()
    }


def notes_between(before: Mapping[str, Entry], after: Mapping[str, Entry]) -> Notes:
    """Return the times that are right for both, where a text that both have has the time of `after`."""
    notes: Notes = {}
    for entries in (before, after):
        for key, entry in entries.items():
            other = after.get(key)
            if entry.expires_at is not None and (entries is after or other is None or other.text != entry.text):
                notes.setdefault(key, {})[digest(entry.text)] = entry.expires_at
    return notes


def value_of(key: str, entry: Entry) -> bytes:
    """Return the value. Raises StorageCorruptError, in upstream's words."""
    try:
        return decode_value(entry.text)
    except DamagedError as error:
        raise StorageCorruptError(
            f"failed to get key `{shown(key)}`: failed to base64 decode the content inside json: {error}",
            advice="write or delete the value again; it is not served as it is",
        ) from None


class Draft:
    """What the file will hold. `size`: bytes of the file as it is; `now`: microseconds since 1970."""

    def __init__(self, entries: Mapping[str, Entry], size: int, now: int) -> None:
        self.changed = False
        """Whether there is something to write."""
        self._entries = dict(entries)
        self._size = size
        self._now = now

    def get(self, key: str) -> bytes | None:
        """Return the value, or None. Raises StorageCorruptError."""
        entry = self._entries.get(key)
        return value_of(key, entry) if entry is not None and entry.alive(self._now) else None

    def put(self, key: str, value: bytes, expires: int | None) -> bool:
        """Write, replacing whatever is there. Raises StorageError: the file would be too large."""
        text = encode_value(value)
        old = self._entries.get(key)
        size = self._size + size_of(key, text) - (size_of(key, old.text) if old else 0)
        if size > MAX_FILE:
            raise StorageError(
                f"failed to set key `{shown(key)}`: the file would be larger than {MAX_FILE} bytes",
                code="STORAGE-FULL",
                advice='keep this much with storage_type = "sqlite", or "local_fs"',
            )
        self._size = size
        self._entries[key] = Entry(text, expires)
        self.changed = True
        return True

    def compare_and_set(self, key: str, expected: bytes | None, value: bytes, expires: int | None) -> bool:
        """Write if the present value is `expected` (None: absent). Raises StorageCorruptError, StorageError."""
        return self.get(key) == expected and self.put(key, value, expires)

    def delete(self, key: str) -> bool:
        """Delete; say whether there was something to delete."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return False
        self._size -= size_of(key, entry.text)
        self.changed = True
        return entry.alive(self._now)

    def left(self) -> dict[str, Entry]:
        """Return what has not expired."""
        return {key: entry for key, entry in self._entries.items() if entry.alive(self._now)}
