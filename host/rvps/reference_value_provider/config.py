"""The configuration file of `rvps`: JSON, TOML or YAML, by its extension.

    {"storage": {"storage_type": "LocalFs", "backends": {"local_fs": {"dir_path": "..."}}},
     "extractors": {}, "insecure_sample_reference_values": false}

Files of v0.11 to v0.15 name their storage by `type` and `file_path`. `LocalFs` was an embedded database in a folder:
the folder is used, for a store of today's form, and what the database holds has to be registered again. The others are
refused. (Upstream takes such a file and keeps all in memory.)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec
from attestack_common import config as configuration
from attestack_common.errors import ConfigError
from attestack_common.logs import get_logger

DEFAULT_PATH: Final = Path("/etc/rvps.json")

_LOG: Final = get_logger("rvps.config")
_OLDER_FOLDER: Final = "/opt/confidential-containers/attestation-service/reference_values"


class RvpsStorage(msgspec.Struct, frozen=True, kw_only=True):
    """Where reference values are kept."""

    storage_type: str = "Memory"
    """The kind of store: Memory, LocalFs, LocalJson or Sqlite."""
    backends: dict[str, dict[str, Any]] = {}
    """The settings of each kind."""

    @staticmethod
    def __before_decode__(table: dict[str, Any]) -> dict[str, Any]:
        """Take the older form, or refuse it. Raises ConfigError."""
        if "type" not in table and "file_path" not in table:
            return table
        kind, path = table.get("type", "LocalFs"), table.get("file_path", _OLDER_FOLDER)
        if kind != "LocalFs" or not isinstance(path, str) or "storage_type" in table:
            raise ConfigError(
                "storage: `type` and `file_path` are keys of older versions",
                code="CONFIG-REFUSED-KEY",
                advice="write storage_type, and its table under storage.backends",
            )
        _LOG.warning("the storage of an older version: values that it holds have to be registered again", folder=path)
        return {"storage_type": "LocalFs", "backends": {"local_fs": {"dir_path": path}}}


class RvpsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration file of `rvps`."""

    storage: RvpsStorage = RvpsStorage()
    extractors: dict[str, Any] = {}
    """Settings of extractors. Those of this version have none."""
    insecure_sample_reference_values: bool = False
    """Whether the `sample` extractor may be used by anyone who reaches the port, from beyond loopback."""


def load(path: Path | None, *, strict: bool = False, default: Path = DEFAULT_PATH) -> RvpsConfig:
    """Read the file that was named, else the one at the default path if there is one. Raises ConfigError.

    A file that is there has to be one that can be taken; upstream warns and runs on defaults.
    """
    if path is None:
        if not default.exists():
            _LOG.info("no configuration: reference values are kept in memory", path=default)
            return RvpsConfig()
        path = default
    return configuration.load(path, RvpsConfig, strict=strict)
