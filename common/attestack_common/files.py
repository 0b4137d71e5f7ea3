"""Files that hold secrets or configuration: written whole or not at all, read within a bound."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from attestack_common.errors import ConfigError

_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def write_private(path: str | os.PathLike[str], data: bytes) -> None:
    """Replace a file by `data`, with mode 0600, so that a reader and a crash see the old file or the new one.

    The new file and its directory are on the disk when this returns. A symbolic link at `path` is replaced, not
    followed. Raises OSError.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.urandom(8).hex()}.new")
    descriptor = os.open(temporary, _NEW_FILE, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_directory(target.parent)


def read_bounded(path: str | os.PathLike[str], limit: int) -> bytes:
    """Read a whole file of at most `limit` bytes. Raises ConfigError that names the file."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise ConfigError(f"{os.fspath(path)}: cannot be read: {error.strerror}", code="FILE-READ") from None
    if len(data) > limit:
        raise ConfigError(f"{os.fspath(path)}: larger than the limit of {limit} bytes", code="FILE-SIZE")
    return data


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, _DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
