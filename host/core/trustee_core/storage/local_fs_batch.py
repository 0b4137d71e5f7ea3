"""What changes a namespace of the LocalFs backend: operations that wait together are done together, step by step.

Writing: a value is written beside, made durable, and gets its name by a link or by being renamed, so that a reader
sees the old bytes or the new ones. All that changes a namespace holds its lock, which no process holds for longer than
one batch.

Expiry: a value that expires has a note. The note is durable before the value gets its name, and goes after the value
did. For a value that is replaced it speaks of both, until the new one has the name.

The operations of a round have keys of their own, so that none depends on what another one comes to. A round has these
steps, and each of them is durable before the next, for all operations with one wait:

1. the new values and notes are written beside, one file with the notes of up to eight values that were not there;
2. notes get their names, or go where no value shall expire any more;
3. values get their names, or go; so do a few values that expired;
4. notes that spoke of two values speak of one; those of values that went go too.

An operation that fails leaves the others alone. What fails for a folder, or for a file with notes of several values,
fails for all that took part in it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, Protocol, cast

from trustee_core.storage.contract import StorageError
from trustee_core.storage.local_fs_change import Change
from trustee_core.storage.local_fs_round_notes import RoundNotes
from trustee_core.storage.new_file import Beside, sync

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from trustee_core.storage.gathered import Write
    from trustee_core.storage.local_fs_namespace import Namespace
    from trustee_core.storage.worker import Job

MAX_ROUND: Final = 32
"""Operations of one round; each has up to three files open, most have one."""
MAX_ROUND_SIZE: Final = 16 << 20
"""Bytes of the values of one round, apart from the last one."""


def rounds(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    """Part a batch of `Write` into rounds, so that those of one key are done in their order."""
    rest = list(jobs)
    while rest:
        some: list[Job] = []
        later: list[Job] = []
        taken: set[str] = set()
        size = 0
        for job in rest:
            write = cast("Write", job.call)
            if write.key in taken or len(some) == MAX_ROUND or size > MAX_ROUND_SIZE:
                later.append(job)
            else:
                some.append(job)
                size += write.size
            taken.add(write.key)
        yield some
        rest = later


class Part(Protocol):
    """What takes part in the steps of a round after the first."""

    def set_first_note(self) -> bool:
        """Take step 2; say whether the folder of the notes changed. Raises OSError."""
        ...

    def set_value(self) -> bool:
        """Take step 3; say whether the folder of the values changed. Raises OSError."""
        ...

    def set_last_note(self) -> bool:
        """Take step 4; say whether the folder of the notes changed and the change must be durable. Raises OSError."""
        ...

    def fail(self, error: OSError | StorageError) -> None:
        """Take part no more."""
        ...

    def finish(self) -> None:
        """All is on the disk."""
        ...


class Round:
    """Operations of one namespace that have different keys. The caller holds the lock of the namespace."""

    def __init__(self, namespace: Namespace) -> None:
        self.namespace = namespace
        self.values = namespace.values.make()
        self.beside = Beside(namespace.temporary.make(), namespace.own.temporary_name)
        self.notes = RoundNotes(namespace, self.beside)

    def run(self, jobs: Sequence[Job]) -> None:
        """Do all of them, and set the outcome or the error of each. What is raised is for all that have neither."""
        changes = [Change(job, self) for job in jobs]
        try:
            written = self._written(changes)
            swept = self.namespace.sweep.find(self, len(changes), {change.name for change in changes})
            parts = self._step([*written, swept], lambda part: part.set_first_note(), self.notes.folder)
            parts = self._step(parts, lambda part: part.set_value(), lambda: self.values.file)
            parts = self._step(parts, lambda part: part.set_last_note(), self.notes.folder)
        finally:
            self.beside.discard()
        for part in parts:
            part.finish()

    def _written(self, all_changes: Sequence[Change]) -> list[Change]:
        """Take step 1; return those that go on."""
        changes = [change for change in all_changes if self._goes_on(change)]
        self.notes.write_beside(changes)
        sync(list(dict.fromkeys(file for change in changes if not change.failed for file in change.files)))
        for change in changes:
            for file in change.files:
                if file.error is not None:
                    change.fail(file.error)
        return [change for change in changes if not change.failed]

    def _goes_on(self, change: Change) -> bool:
        try:
            return change.decide()
        except (OSError, StorageError) as error:
            change.fail(error)
            return False

    def _step(self, parts: Sequence[Part], take: Callable[[Part], bool], folder: Callable[[], int]) -> list[Part]:
        """Take a step and wait for its folder; return those that go on."""
        changed = False
        going: list[Part] = []
        for part in parts:
            try:
                changed |= take(part)
                going.append(part)
            except OSError as error:
                part.fail(error)
        if changed:
            try:
                os.fsync(folder())
            except OSError as error:
                for part in going:
                    part.fail(error)
                return []
        return going
