r"""Which files LocalFs has, and which keys they stand for.

    <root>/<namespace>/<key with every "/" written as the four characters \x2F>    the value's bytes, nothing else
    <root>/.attestack/expiry/<namespace>/<name>    when the value of that name expires

The first line is upstream's layout; `own_folder` says what else lies below `.attestack`. A namespace `a/b` is a folder
in a folder.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from trustee_core.storage.contract import StorageError
from trustee_core.storage.files import TooLargeError, escaped, read_file, unescaped
from trustee_core.storage.rules import reason_against

if TYPE_CHECKING:
    import os

MAX_NAME: Final = 255
"""Bytes of a file name, on every common file system."""

_CHARACTERS: Final = re.compile(r"[A-Za-z0-9._/-]*", re.ASCII)


def reason_against_name(key: str) -> str | None:
    """Return why LocalFs cannot keep this key, or None if there is no reason."""
    if not _CHARACTERS.fullmatch(key):
        return "key contains invalid characters"
    reason = reason_against(key)
    if reason is None and len(escaped(key)) > MAX_NAME:
        reason = f"key is longer than {MAX_NAME} bytes as a file name"
    return reason


def key_of(name: str) -> str | None:
    """Return the key that has this file name; None: no key has it."""
    key = unescaped(name)
    return key if escaped(key) == name and reason_against_name(key) is None else None


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


def list_failure(error: OSError) -> StorageError:
    """Return what an error of the operating system means for a listing, in upstream's words."""
    return StorageError(
        f"failed to list keys: failed to read the directory: {error.strerror}",
        code="STORAGE-IO",
        advice="look at the disk: permissions, errors",
    )
