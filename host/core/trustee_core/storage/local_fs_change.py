"""What one operation on a namespace of the LocalFs backend does in each step of a round (`local_fs_batch`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from trustee_core.storage.contract import StorageCorruptError
from trustee_core.storage.files import TooLargeError, escaped, exists, failure, read_if_there, remove
from trustee_core.storage.local_fs_notes import MAX_LINES, Line, Note, digest_of
from trustee_core.storage.rules import MAX_VALUE_SIZE

if TYPE_CHECKING:
    from trustee_core.storage.contract import StorageError
    from trustee_core.storage.gathered import Write
    from trustee_core.storage.local_fs_batch import Round
    from trustee_core.storage.new_file import NewFile
    from trustee_core.storage.worker import Job


class Change:
    """One operation. It says to the round's first step what it wants: `put`, `compare_and_set` or `delete`."""

    def __init__(self, job: Job, its_round: Round) -> None:
        self.failed = False
        self._job = job
        self._write = cast("Write", job.call)
        self._round = its_round
        self.name = escaped(self._write.key)
        """The file name of the value and of its note."""
        self.files: list[NewFile] = []
        """What must be on the disk before the second step."""
        self.has_note = True
        """Whether there may be a note already."""
        self.first_note: Note | None = None
        """What is noted before the value gets its name; None: what is noted already."""
        self.last_note: Note | None = None
        """What is noted after that; None: the same."""
        self._value: NewFile | None = None
        self._outcome = False
        self._expires: int | None = None
        self._replaces = True
        self._deletes = False

    def decide(self) -> bool:
        """Look what there is, and write the value beside; say whether there is more to do.

        Raises StorageError, OSError.
        """
        self._outcome = self._write(self)
        if self._value is None and not self._deletes:
            self._job.outcome = self._outcome
            return False
        return True

    def put(self, value: bytes, expires: int | None) -> bool:
        """Write, replacing whatever is there. Raises StorageError, OSError."""
        self._prepare(value, expires)
        return True

    def compare_and_set(self, expected: bytes | None, value: bytes, expires: int | None) -> bool:
        """Write if the present value is `expected` (None: absent); say whether it is. Raises StorageError, OSError."""
        self._replaces = exists(self.name, self._round.values.file)  # also what is absent because it expired
        present = self._round.namespace.present(self._write.key) if self._replaces else None
        if present != expected:
            return False
        self._prepare(value, expires)
        return True

    def delete(self) -> bool:
        """Delete; say whether there is something to delete. Raises StorageError."""
        self._deletes = True
        try:
            return self._round.namespace.present(self._write.key) is not None
        except StorageCorruptError:
            return True

    def set_first_note(self) -> bool:
        """Take step 2; say whether the folder of the notes changed. Raises OSError."""
        return self.first_note is not None and self._round.notes.set(self.name, self.first_note)

    def set_value(self) -> bool:
        """Take step 3; say whether the folder of the values changed. Raises OSError."""
        folder = self._round.values.file
        if self._value is None:
            return remove(self.name, folder)
        if self._replaces:
            self._value.rename(self.name, folder)
        else:
            self._outcome = self._value.take_name(self.name, folder)
        return self._outcome

    def set_last_note(self) -> bool:
        """Take step 4; say whether the folder of the notes changed and the change must be durable. Raises OSError."""
        if self._deletes:
            self._round.notes.remove(self.name)
            return False
        return self._outcome and self.last_note is not None and self._round.notes.set(self.name, self.last_note)

    def fail(self, error: OSError | StorageError) -> None:
        """Take part no more; the error is for the caller."""
        self.failed = True
        self._job.error = failure(error, self._write.doing, self._write.key) if isinstance(error, OSError) else error

    def finish(self) -> None:
        """Tell the caller."""
        self._job.outcome = self._outcome
        self._round.namespace.sweep.learn(self.name, self._expires)

    def _prepare(self, value: bytes, expires: int | None) -> None:
        """Say what shall be noted, and write the value beside. Raises OSError."""
        digest = digest_of(value)
        new = () if expires is None else (Line(expires, digest),)
        old = self._old_note() if self._replaces or expires is None else ()  # of what is not there, a note says nothing
        others = self._of_the_present(tuple(line for line in old or () if line.digest != digest))
        self._expires = expires
        self.has_note = old != ()
        if new + others != old:
            self.first_note = new + others
        if others:
            self.last_note = new
        self._value = self._round.beside.write(value)
        self.files.append(self._value)

    def _old_note(self) -> Note | None:
        """Return what is noted now; None: nobody can read it. Raises OSError."""
        try:
            return self._round.notes.read(self.name)
        except StorageCorruptError:
            return None

    def _of_the_present(self, lines: Note) -> Note:
        """Return those lines of an old note that must stay until the value that is there has been replaced."""
        if len(lines) <= 1:
            return lines
        try:
            present = read_if_there(self.name, self._round.values.file, MAX_VALUE_SIZE)
        except (OSError, TooLargeError):
            return lines[: MAX_LINES - 1]
        digest = None if present is None else digest_of(present)
        return tuple(line for line in lines if line.digest == digest)
