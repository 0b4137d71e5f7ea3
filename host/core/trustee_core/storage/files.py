"""Files by folder descriptors: nothing here can be led out of the folder that it works in.

Folders and files are opened without following symbolic links. A link to a file in the same folder, or in a folder
below it, is read (Kubernetes mounts ConfigMaps in that form); one that leads elsewhere is not.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from trustee_core.storage.contract import StorageCorruptError, StorageError
from trustee_core.storage.rules import MAX_VALUE_SIZE, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

UNREADABLE: Final = frozenset(
    {errno.EACCES, errno.EPERM, errno.EIO, errno.ELOOP, errno.EISDIR, errno.ENOTDIR, errno.EUCLEAN, errno.ENXIO}
)
"""Errors that belong to one file and do not go away by themselves."""

_SLASH: Final = r"\x2F"
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NO_LINK: Final = os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK: Final = 1 << 20
_NO_HARD_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS})


class ChangedError(Exception):
    """A file changed each time that it was read: the lock is needed."""


class NoLinksError(Exception):
    """The file system has no hard links, or not for this file."""


class TooLargeError(Exception):
    """A file has more bytes than the caller wants to read."""


def escaped(name: str) -> str:
    r"""Return a name in which each `/` is written as the four characters `\x2F`."""
    return name.replace("/", _SLASH)


def unescaped(name: str) -> str:
    """Return the name that `escaped` made this one from, if it did."""
    return name.replace(_SLASH, "/")


def open_folder(root: str, segments: Sequence[str], *, create: bool = False) -> int:
    """Open a folder below `root`; what is made on the way has mode 0700 and is durable. Raises OSError."""
    folder = os.open(root, _FOLDER)
    for segment in segments:
        try:
            try:
                below = os.open(segment, _FOLDER | _NO_LINK, dir_fd=folder)
            except FileNotFoundError:
                if not create:
                    raise
                _make_folder(segment, folder)
                below = os.open(segment, _FOLDER | _NO_LINK, dir_fd=folder)
        finally:
            os.close(folder)
        folder = below
    return folder


def open_file(name: str, folder: int) -> int:
    """Open a regular file for reading. Raises OSError: IsADirectoryError; ENXIO for what else is no regular file."""
    return open_with_status(name, folder)[0]


def open_with_status(name: str, folder: int) -> tuple[int, os.stat_result]:
    """Open as `open_file`, and return what the operating system says of the file besides. Raises OSError."""
    # O_NONBLOCK: opening a pipe must not wait for its other end.
    flags = os.O_RDONLY | os.O_NONBLOCK | _NO_LINK
    try:
        file = os.open(name, flags, dir_fd=folder)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        file = _open_linked(name, folder, flags)
    status = os.fstat(file)
    if not stat.S_ISREG(status.st_mode):
        os.close(file)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        raise OSError(errno.ENXIO, "not a regular file")
    return file, status


def read_all(file: int, limit: int, size: int | None = None) -> bytes:
    """Read an open file from where it stands to its end. Raises TooLargeError, OSError.

    `size` is what the file is thought to have: if that is right, one call is enough.
    """
    data = bytearray()
    if size is not None and size <= min(limit, _CHUNK):
        first = os.read(file, size + 1)
        if len(first) == size:
            return first
        data += first
        if len(data) > limit:
            raise TooLargeError
    while chunk := os.read(file, min(_CHUNK, limit + 1 - len(data))):
        data += chunk
        if len(data) > limit:
            raise TooLargeError
    return bytes(data)


def read_file(name: str, folder: int, limit: int = MAX_VALUE_SIZE) -> bytes:
    """Read a whole regular file of at most `limit` bytes. Raises TooLargeError, OSError."""
    file, status = open_with_status(name, folder)
    try:
        return read_all(file, limit, status.st_size)
    finally:
        os.close(file)


def read_if_there(name: str, folder: int, limit: int) -> bytes | None:
    """Read as `read_file`; None: there is nothing. Raises TooLargeError, OSError."""
    try:
        return read_file(name, folder, limit)
    except FileNotFoundError:
        return None


def write_new(name: str, folder: int, data: bytes) -> None:
    """Write a file of mode 0600 that was not there before, and wait until it is on the disk. Raises OSError."""
    file = begin_new(name, folder, data)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def begin_new(name: str, folder: int, data: bytes) -> int:
    """Write a file of mode 0600 that was not there before, and return it open: `fsync` it. Raises OSError.

    What an earlier writer left behind is unlinked, never written over: it may be a second name of a value.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK
    try:
        file = os.open(name, flags, 0o600, dir_fd=folder)
    except FileExistsError:
        remove(name, folder)
        file = os.open(name, flags, 0o600, dir_fd=folder)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(file, rest) :]
    except BaseException:
        os.close(file)
        with suppress(OSError):
            remove(name, folder)
        raise
    return file


def link(source: str, name: str, from_folder: int, to_folder: int) -> bool:
    """Give a file one more name, which must not be taken; say whether it was free. Raises NoLinksError, OSError."""
    try:
        os.link(source, name, src_dir_fd=from_folder, dst_dir_fd=to_folder, follow_symlinks=False)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno in _NO_HARD_LINKS:
            raise NoLinksError from None
        raise
    return True


def move(source: str, name: str, from_folder: int, to_folder: int) -> bool:
    """Give a file another name, which must not be taken; say whether it was free. Raises OSError.

    Safe among those who take the lock: for file systems without hard links.
    """
    if exists(name, to_folder):
        return False
    os.rename(source, name, src_dir_fd=from_folder, dst_dir_fd=to_folder)
    return True


def exists(name: str, folder: int) -> bool:
    """Return whether a name is taken, by whatever it is. Raises OSError."""
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def remove(name: str, folder: int) -> bool:
    """Unlink a name; say whether it was there. Raises OSError."""
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return False
    return True


def failure(error: OSError, doing: str, key: str) -> StorageError:
    """Return what an error of the operating system means; `doing` is `get`, `set`, ..., in upstream's words."""
    reason = error.strerror or type(error).__name__
    text = f"failed to {doing} key `{shown(key)}`: {reason}"
    if doing == "get" and error.errno in UNREADABLE:
        return StorageCorruptError(
            f"failed to get key `{shown(key)}`: failed to read the file: {reason}",
            advice="mend or remove the file; it is not served as it is",
        )
    return io_failure(error, text)


def io_failure(error: OSError, text: str) -> StorageError:
    """Return the error with this text, and advice that fits what the operating system says."""
    if error.errno == errno.EXDEV:
        advice = "mount the file system at the folder that holds the namespaces"
    else:
        advice = "look at the disk: space, permissions, errors"
    return StorageError(text, code="STORAGE-IO", advice=advice)


def folder_failure(error: OSError, folder: str) -> StorageError:
    """Return what an error of the operating system means for a namespace's folder, in upstream's words."""
    return StorageError(
        f"failed to initialize backend: {folder}: {error.strerror}",
        code="STORAGE-IO",
        advice="let this user make and use the folder; it must not be a symbolic link",
    )


def _make_folder(name: str, folder: int) -> None:
    try:
        os.mkdir(name, 0o700, dir_fd=folder)
    except FileExistsError:
        return
    os.fsync(folder)


def _open_linked(name: str, folder: int, flags: int) -> int:
    """Open what a link leads to if it lies in the folder or below, by a walk that follows no link. Raises OSError."""
    base = Path(os.path.realpath(f"/proc/self/fd/{folder}"))
    target = Path(os.path.realpath(base / name))
    if not target.is_relative_to(base) or target == base:
        raise OSError(errno.ELOOP, "a symbolic link that leads out of the folder")
    *folders, last = target.relative_to(base).parts
    below = open_folder(str(base), folders)
    try:
        return os.open(last, flags, dir_fd=below)
    finally:
        os.close(below)
