r"""The folder `.attestack` below a backend's root: what this project keeps beside what upstream knows.

    <root>/.attestack/lock/<namespace>      locked (flock) while a process changes the namespace
    <root>/.attestack/tmp/<namespace>       what is being written, until it is renamed; several at once have
                                            `~` and a number behind the name, which no namespace has
    <root>/.attestack/expiry/<namespace>    when values expire; the backend says in what form

It is outside the namespaces because upstream takes whatever lies there for a value. A namespace `a/b` is `a\x2Fb` here.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from attestack_common.logs import get_logger

from trustee_core.storage.contract import KeyRefusedError, StorageTimeoutError
from trustee_core.storage.files import escaped, open_folder, remove, write_new
from trustee_core.storage.rules import check_namespace

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME: Final = ".attestack"

_LOCK_POLL: Final = (0.001, 0.002)
"""Seconds between two attempts to get the lock: at first, at most."""
_TEMPORARY: Final = "tmp"
_MAX_REPORTED: Final = 256
_LOG: Final = get_logger("storage")


def check_folder_namespace(name: str) -> None:
    """Raise KeyRefusedError if there cannot be a namespace of this name below a root that holds this folder."""
    check_namespace(name)
    if name.split("/", maxsplit=1)[0] == NAME:
        raise KeyRefusedError(f"invalid storage namespace: {name}", code="STORAGE-NAMESPACE")


class OwnFolder:
    """The part of the folder that belongs to one namespace. `lock_wait` is in seconds."""

    def __init__(self, root: str, namespace: str, lock_wait: float) -> None:
        self.name = escaped(namespace)
        """The namespace's name here."""
        self.expiry = f"{root}/{NAME}/expiry/{self.name}"
        """Where the backend keeps when values expire."""
        self._root = root
        self._namespace = namespace
        self._lock_wait = lock_wait
        self._lock_path = f"{root}/{NAME}/lock/{self.name}"
        self._temporary = f"{root}/{NAME}/{_TEMPORARY}"
        self._cleared = False
        self._several = f"{self.name}~"
        self._reported: set[str] = set()

    @contextmanager
    def opened(self, *segments: str) -> Iterator[int]:
        """Open a folder below, made if it is not there. Raises OSError."""
        folder = open_folder(self._root, (NAME, *segments), create=True)
        try:
            yield folder
        finally:
            os.close(folder)

    def place(self, data: bytes, name: str, folder: int) -> None:
        """Write a file beside, and give it its name when it is on the disk. The caller holds the lock.

        Raises OSError.
        """
        with self.opened(_TEMPORARY) as temporary:
            write_new(self.name, temporary, data)
            os.rename(self.name, name, src_dir_fd=temporary, dst_dir_fd=folder)
        os.fsync(folder)

    def temporary_name(self, number: int) -> str:
        """Return the name in the folder `tmp` of one of several files that are written at once."""
        return f"{self._several}{number}" if number else self.name

    def clear(self, temporary: int) -> None:
        """Remove what writers that died left in the folder `tmp`, once. The caller holds the lock. Raises OSError.

        What another process leaves later is for the one that comes after it, or goes when its name is needed.
        """
        if self._cleared:
            return
        with os.scandir(self._temporary) as entries:  # not of the descriptor, which a listing moves
            left = [entry.name for entry in entries if entry.name == self.name or entry.name.startswith(self._several)]
        for name in left:
            remove(name, temporary)
        self._cleared = True

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of the namespace. Raises StorageTimeoutError, OSError."""
        deadline = time.monotonic() + self._lock_wait
        file = self._lock(deadline)
        # Whoever cleans up may have removed the file meanwhile: then a lock on it keeps nobody out.
        while not self._is_lock(file):
            os.close(file)
            file = self._lock(deadline)
        try:
            yield
        finally:
            os.close(file)

    def report(self, file: str, reason: str) -> None:
        """Log what cannot be served, once."""
        if file not in self._reported and len(self._reported) < _MAX_REPORTED:
            self._reported.add(file)
            _LOG.warning("not served", namespace=self._namespace, file=file, reason=reason)

    def _lock(self, deadline: float) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with self.opened("lock") as folder:
            file = os.open(self.name, flags, 0o600, dir_fd=folder)
        pause, longest = _LOCK_POLL
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    os.close(file)
                    raise StorageTimeoutError(
                        f"another process held the lock of {self._namespace} for {self._lock_wait:g} s",
                        advice="try again",
                    ) from None
                time.sleep(pause)
                pause = min(2 * pause, longest)
            else:
                return file

    def _is_lock(self, file: int) -> bool:
        try:
            return os.path.samestat(os.fstat(file), os.lstat(self._lock_path))
        except FileNotFoundError:
            return False
