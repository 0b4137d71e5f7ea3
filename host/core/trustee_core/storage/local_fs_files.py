r"""Files of the LocalFs backend, by folder descriptors: nothing here can be led out of the folder that it works in.

    <root>/<namespace>/<key with every "/" written as the four characters \x2F>    the value's bytes, nothing else
    <root>/.attestack/lock/<namespace>             locked (flock) while a process changes the namespace
    <root>/.attestack/tmp/<namespace>              what is being written, until it is renamed
    <root>/.attestack/expiry/<namespace>/<name>    when the value of that name expires

The first line is upstream's layout. The others are ours, and outside the namespaces because upstream takes whatever
lies in a namespace's folder for a value. A namespace `a/b` is a folder in a folder there, and `a\x2Fb` in ours.

Folders and files are opened without following symbolic links. A link to a file in the same folder, or in a folder
below it, is read (Kubernetes mounts ConfigMaps in that form); one that leads elsewhere is not.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from trustee_core.storage.contract import StorageCorruptError, StorageError
from trustee_core.storage.rules import MAX_VALUE_SIZE, reason_against, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

OWN_FOLDER: Final = ".attestack"
MAX_NAME: Final = 255
"""Bytes of a file name, on every common file system."""

_SLASH: Final = r"\x2F"
_CHARACTERS: Final = re.compile(r"[A-Za-z0-9._/-]*", re.ASCII)
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NO_LINK: Final = os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK: Final = 1 << 20
_NO_HARD_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS})
_UNREADABLE: Final = frozenset(
    {errno.EACCES, errno.EPERM, errno.EIO, errno.ELOOP, errno.EISDIR, errno.ENOTDIR, errno.EUCLEAN, errno.ENXIO}
)


class TooLargeError(Exception):
    """A file has more bytes than the caller wants to read."""


def reason_against_name(key: str) -> str | None:
    """Return why LocalFs cannot keep this key, or None if there is no reason."""
    if not _CHARACTERS.fullmatch(key):
        return "key contains invalid characters"
    reason = reason_against(key)
    if reason is None and len(escaped(key)) > MAX_NAME:
        reason = f"key is longer than {MAX_NAME} bytes as a file name"
    return reason


def escaped(key: str) -> str:
    """Return the file name of a key, or of a namespace in our own folders."""
    return key.replace("/", _SLASH)


def key_of(name: str) -> str | None:
    """Return the key that has this file name; None: no key has it."""
    key = name.replace(_SLASH, "/")
    return key if escaped(key) == name and reason_against_name(key) is None else None


def open_folder(root: str, segments: Sequence[str], *, create: bool = False) -> int:
    """Open a folder below `root`; what is made on the way has mode 0700 and is durable. Raises OSError."""
    folder = os.open(root, _FOLDER)
    for segment in segments:
        try:
            if create:
                _make_folder(segment, folder)
            below = os.open(segment, _FOLDER | _NO_LINK, dir_fd=folder)
        finally:
            os.close(folder)
        folder = below
    return folder


def read_file(name: str, folder: int, limit: int = MAX_VALUE_SIZE) -> bytes:
    """Read a whole regular file of at most `limit` bytes. Raises TooLargeError, OSError."""
    # O_NONBLOCK: opening a pipe must not wait for its other end.
    flags = os.O_RDONLY | os.O_NONBLOCK | _NO_LINK
    try:
        file = os.open(name, flags, dir_fd=folder)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        file = _open_linked(name, folder, flags)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.ENXIO, "not a regular file")
        data = bytearray()
        while chunk := os.read(file, min(_CHUNK, limit + 1 - len(data))):
            data += chunk
            if len(data) > limit:
                raise TooLargeError
        return bytes(data)
    finally:
        os.close(file)


def write_new(name: str, folder: int, data: bytes) -> None:
    """Write a file of mode 0600 that was not there before, and wait until it is on the disk. Raises OSError.

    What an earlier writer left behind is unlinked, never written over: it may be a second name of a value.
    """
    remove(name, folder)
    file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK, 0o600, dir_fd=folder)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(file, rest) :]
        os.fsync(file)
    finally:
        os.close(file)


def link(source: str, name: str, from_folder: int, to_folder: int) -> bool:
    """Move a file to a name that must not be taken; say whether it was free. Raises OSError."""
    try:
        os.link(source, name, src_dir_fd=from_folder, dst_dir_fd=to_folder, follow_symlinks=False)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        if exists(name, to_folder):  # safe among those who take the lock
            return False
        os.rename(source, name, src_dir_fd=from_folder, dst_dir_fd=to_folder)
        return True
    os.unlink(source, dir_fd=from_folder)
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


def is_value(entry: os.DirEntry[str], folder: int) -> bool:
    """Return whether a folder's entry is a regular file, or a link to one that may be read."""
    if not entry.is_symlink():
        return entry.is_file(follow_symlinks=False)
    try:
        read_file(entry.name, folder, 0)
    except TooLargeError:
        return True
    except OSError:
        return False
    return True


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether a folder's entry is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def failure(error: OSError, doing: str, key: str) -> StorageError:
    """Return what an error of the operating system means; `doing` is `get`, `set`, ..., in upstream's words."""
    reason = error.strerror or type(error).__name__
    text = f"failed to {doing} key `{shown(key)}`: {reason}"
    if doing == "get" and error.errno in _UNREADABLE:
        return StorageCorruptError(
            f"failed to get key `{shown(key)}`: failed to read the file: {reason}",
            advice="mend or remove the file; it is not served as it is",
        )
    if error.errno == errno.EXDEV:
        return StorageError(
            text, code="STORAGE-IO", advice="mount the file system at the folder that holds the namespaces"
        )
    return StorageError(text, code="STORAGE-IO", advice="look at the disk: space, permissions, errors")


def folder_failure(error: OSError, folder: str) -> StorageError:
    """Return what an error of the operating system means for a namespace's folder, in upstream's words."""
    return StorageError(
        f"failed to initialize backend: {folder}: {error.strerror}",
        code="STORAGE-IO",
        advice="let this user make and use the folder; it must not be a symbolic link",
    )


def list_failure(error: OSError) -> StorageError:
    """Return what an error of the operating system means for a listing, in upstream's words."""
    return StorageError(
        f"failed to list keys: failed to read the directory: {error.strerror}",
        code="STORAGE-IO",
        advice="look at the disk: permissions, errors",
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
