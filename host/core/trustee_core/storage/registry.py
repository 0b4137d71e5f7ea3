"""Backends by the names of the configuration: `storage_type`, and the tables of `storage_backend.backends`.

Both of upstream's spellings are known (`LocalFs`, `local_fs`). A backend is an entry point of `attestack.storage`,
named in the second spelling, so another package can add one.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final, cast

from attestack_common.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trustee_core.storage.contract import OpenBackend, StorageBackend

ENTRY_POINTS: Final = "attestack.storage"

_SPELLINGS: Final = {
    "Memory": "memory",
    "LocalFs": "local_fs",
    "LocalJson": "local_json",
    "Postgres": "postgres",
    "Redis": "redis",
    "Sqlite": "sqlite",
}
_UPSTREAM_NAMES: Final = {
    "local_fs": "Local FS",
    "local_json": "Local JSON",
    "postgres": "PostgreSQL",
    "redis": "Redis",
    "sqlite": "SQLite",
}
_INSTEAD: Final = {
    "postgres": 'use storage_type = "sqlite", which several processes of one machine can share',
    "redis": 'use storage_type = "sqlite", which several processes of one machine can share',
}


def open_storage(storage_type: str, backends: Mapping[str, Mapping[str, object]]) -> StorageBackend:
    """Open the backend that `storage_type` names; its table must stand in `backends`, though it may be empty.

    Raises ConfigError, and StorageError where the backend finds that what is stored cannot be read.
    """
    name = _SPELLINGS.get(storage_type, storage_type)
    found = entry_points(group=ENTRY_POINTS)
    if name not in found.names:
        if name in _INSTEAD:
            raise ConfigError(
                f"storage_type {storage_type} is not available in this version",
                code="STORAGE-UNAVAILABLE",
                advice=_INSTEAD[name],
            )
        raise ConfigError(
            f"unknown storage_type `{storage_type}`",
            code="STORAGE-UNKNOWN",
            advice=f"use one of {', '.join(sorted(found.names))}",
        )
    table = backends.get(name)
    if table is None and name != "memory":
        raise ConfigError(
            f"invalid configuration: {_UPSTREAM_NAMES.get(name, name)} configuration is required",
            code="STORAGE-TABLE",
            advice=f"add a table [storage_backend.backends.{name}]; it may be empty",
        )
    open_backend = cast("OpenBackend", found[name].load())
    return open_backend(table or {})
