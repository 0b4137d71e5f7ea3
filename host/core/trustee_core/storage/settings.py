"""What stands in a backend's table of the configuration, `[storage_backend.backends.<name>]`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from attestack_common.errors import ConfigError
from attestack_common.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOG: Final = get_logger("storage")


class Settings:
    """One backend's table, read key by key; `done` warns of the keys that nobody read."""

    def __init__(self, backend: str, table: Mapping[str, object]) -> None:
        self._where = f"storage_backend.backends.{backend}"
        self._table = table
        self._read: set[str] = set()

    def path(self, key: str, default: str) -> str:
        """Return a file or folder. Raises ConfigError that names the key."""
        self._read.add(key)
        value = self._table.get(key, default)
        if not isinstance(value, str) or not value or "\0" in value:
            raise ConfigError(
                f"{self._where}.{key} is not a path", code="STORAGE-CONFIG", advice=f'write {key} = "{default}"'
            )
        return value

    def folder(self, key: str, path: str) -> Path:
        """Make the folder that a key names, for this user only, if it is not there. Raises ConfigError."""
        folder = Path(path).absolute()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            reason = f"{folder}: {error.strerror}"
            raise self.refused(key, reason, "name a folder that this user may make or use") from None
        return folder

    def refused(self, key: str, reason: str, advice: str) -> ConfigError:
        """Return the error of a value that cannot be used."""
        return ConfigError(f"{self._where}.{key}: {reason}", code="STORAGE-CONFIG", advice=advice)

    def done(self) -> None:
        """Warn of keys that this backend does not know."""
        for key in sorted(self._table.keys() - self._read):
            _LOG.warning("ignored a setting that this backend does not know", key=f"{self._where}.{key}")
