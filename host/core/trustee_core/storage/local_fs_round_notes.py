"""The notes that one round of operations on a LocalFs namespace reads, writes and removes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trustee_core.storage.files import NoLinksError, remove
from trustee_core.storage.local_fs_notes import MAX_LINES, Note, note_text
from trustee_core.storage.new_file import sync

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trustee_core.storage.held_folder import OpenFolder
    from trustee_core.storage.local_fs_change import Change
    from trustee_core.storage.local_fs_namespace import Namespace
    from trustee_core.storage.new_file import Beside, NewFile


class RoundNotes:
    """The notes of one namespace."""

    def __init__(self, namespace: Namespace, beside: Beside) -> None:
        self._namespace = namespace
        self._beside = beside
        self._folder = namespace.notes.find()
        self._shared: dict[str, NewFile] = {}
        self._own: dict[tuple[str, Note], NewFile] = {}

    def read(self, name: str) -> Note:
        """Read what is noted of a value. Raises StorageCorruptError, OSError."""
        return self._namespace.note(name, self._folder)

    def write_beside(self, changes: Sequence[Change]) -> None:
        """Write what these will note; those for which that fails, fail."""
        alone: list[Change] = []
        together: dict[str, Change] = {}
        for change in changes:
            note = change.first_note
            if note is None or change.has_note or len(note) != 1 or note[0].digest in together:
                alone.append(change)
            else:
                together[note[0].digest] = change
        group = list(together.values())
        for start in range(0, len(group), MAX_LINES):
            self._write_shared(group[start : start + MAX_LINES])
        for change in alone:
            try:
                for note in (change.first_note, change.last_note):
                    if note:
                        change.files.append(self._written(change.name, note))
            except OSError as error:
                change.fail(error)

    def set(self, name: str, note: Note) -> bool:
        """Give a note its name, or remove it if it has no lines; say whether the folder changed. Raises OSError."""
        if not note:
            return self.remove(name)
        folder = self._made().file
        shared = self._shared.pop(name, None)
        if shared is not None:
            try:
                if shared.add_name(name, folder):
                    return True
            except NoLinksError:
                pass
            self._write_now(name, note)
        self._own[name, note].rename(name, folder)
        return True

    def remove(self, name: str) -> bool:
        """Remove a note; say whether it was there. Raises OSError."""
        return self._folder is not None and remove(name, self._folder.file)

    def _write_shared(self, group: Sequence[Change]) -> None:
        """Write one file for the values of several, which it gets as names later."""
        try:
            file = self._beside.write(note_text([line for change in group for line in change.first_note or ()]))
        except OSError as error:
            for change in group:
                change.fail(error)
        else:
            for change in group:
                change.files.append(file)
                self._shared[change.name] = file

    def _write_now(self, name: str, note: Note) -> None:
        """Write a note of its own for what cannot share one. Raises OSError."""
        file = self._written(name, note)
        sync([file])
        if file.error is not None:
            raise file.error

    def _written(self, name: str, note: Note) -> NewFile:
        self._own[name, note] = file = self._beside.write(note_text(note))
        return file

    def _made(self) -> OpenFolder:
        if self._folder is None:
            self._folder = self._namespace.notes.make()
        return self._folder

    def folder(self) -> int:
        """Return the descriptor of the folder, made if it is not there. Raises OSError."""
        return self._made().file
