"""Values of LocalFs that expired: each batch removes a few, with their notes, so that folders do not grow for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attestack_common.logs import get_logger

from trustee_core.storage.contract import StorageCorruptError
from trustee_core.storage.files import TooLargeError, read_if_there, remove
from trustee_core.storage.local_fs_notes import is_alive
from trustee_core.storage.rules import MAX_VALUE_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from trustee_core.storage.contract import StorageError
    from trustee_core.storage.local_fs_batch import Round
    from trustee_core.storage.local_fs_namespace import Namespace

NOTES_SWEPT: Final = 4
"""Notes that are looked at for each write: more than it adds."""
MAX_KNOWN: Final = 1 << 16
"""Notes of which the time is remembered, so that they need not be read before it."""

LISTING_PAUSE: Final = 1_000_000
"""Microseconds between two listings of the notes of all processes, if it is not known that a value has expired."""

_LOG: Final = get_logger("storage")


class Sweep:
    """What one namespace knows of its notes. Used by one thread."""

    def __init__(self, namespace: Namespace, name: str) -> None:
        self._namespace = namespace
        self._name = name
        self._to_look_at: list[str] = []
        self._ends: dict[str, int] = {}
        self._next_listing = 0

    def learn(self, name: str, expires: int | None) -> None:
        """Remember until when there is nothing to look for, in microseconds since 1970."""
        if expires is None:
            self._ends.pop(name, None)
            return
        self._next_listing = min(self._next_listing, expires)
        if len(self._ends) < MAX_KNOWN or name in self._ends:
            self._ends[name] = expires

    def find(self, its_round: Round, writes: int, busy: Collection[str]) -> Swept:
        """Look at the notes of a few values, but not of the busy ones, which are being written."""
        now = self._namespace.now()
        values: list[str] = []
        notes: list[str] = []
        if not self._to_look_at and now >= self._next_listing:
            self._list(now)
        for _ in range(min(NOTES_SWEPT * writes, len(self._to_look_at))):
            name = self._to_look_at.pop()
            if name in busy:
                self._next_listing = now
                continue
            if self._is_early(self._ends.get(name, now), now):
                continue
            self._ends.pop(name, None)
            try:
                note = its_round.notes.read(name)
                if self._is_early(min((line.expires_at for line in note), default=now), now):
                    continue
                value = read_if_there(name, its_round.values.file, MAX_VALUE_SIZE)
            except (OSError, StorageCorruptError, TooLargeError) as error:
                self.not_swept(name, error)
                continue
            if value is not None and not is_alive(value, note, now):
                values.append(name)
                notes.append(name)
            elif value is None or not any(line.expires_at > now for line in note):
                notes.append(name)  # it speaks of no value that is there
        return Swept(self, its_round, values, notes)

    def _list(self, now: int) -> None:
        self._next_listing = now + LISTING_PAUSE
        try:
            self._to_look_at = self._namespace.noted()
        except OSError as error:
            self.not_swept("", error)

    def _is_early(self, end: int, now: int) -> bool:
        """Return whether this end has not come; then there is something to look at when it has."""
        if end <= now:
            return False
        self._next_listing = min(self._next_listing, end)
        return True

    def not_swept(self, name: str, error: Exception) -> None:
        """Log what stays, because it cannot be looked at or removed."""
        _LOG.warning("not swept", namespace=self._name, file=name, error=error)


class Swept:
    """Values that go with their notes, and notes of values that are gone; a part of a round."""

    def __init__(self, sweep: Sweep, its_round: Round, values: Sequence[str], notes: Sequence[str]) -> None:
        self._sweep = sweep
        self._round = its_round
        self._values = values
        self._notes = list(notes)

    def set_first_note(self) -> bool:
        """Take step 2, in which nothing goes."""
        return False

    def set_value(self) -> bool:
        """Take step 3; say whether a value went. Its note must not go before that is durable."""
        folder = self._round.values.file
        return any(tuple(self._removed(name, lambda name: remove(name, folder)) for name in self._values))

    def set_last_note(self) -> bool:
        """Take step 4, which need not be durable: a note without a value does no harm."""
        for name in tuple(self._notes):
            self._removed(name, self._round.notes.remove)
        return False

    def fail(self, error: OSError | StorageError) -> None:
        """Take part no more: the notes stay, so that a later batch looks at them again."""
        self._sweep.not_swept("", error)

    def finish(self) -> None:
        """Tell nobody."""

    def _removed(self, name: str, remove_it: Callable[[str], bool]) -> bool:
        try:
            return remove_it(name)
        except OSError as error:
            self._notes.remove(name)
            self._sweep.not_swept(name, error)
            return False
