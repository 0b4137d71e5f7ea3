"""Backends by the names of the configuration."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from attestack_common.errors import ConfigError
from trustee_core.storage import __all__ as exported
from trustee_core.storage import open_storage
from trustee_core.storage.local_fs import LocalFsBackend
from trustee_core.storage.local_json import LocalJsonBackend
from trustee_core.storage.memory import MemoryBackend
from trustee_core.storage.sqlite import SqliteBackend

if TYPE_CHECKING:
    from pathlib import Path


PLACES = [("local_fs", "dir_path"), ("local_json", "file_dir_path"), ("sqlite", "path")]
"""Backends that have a place, and the key that names it."""


@pytest.mark.parametrize("spelling", ["Memory", "memory"])
def test_memory_needs_no_table(spelling: str) -> None:
    backend = open_storage(spelling, {})
    assert isinstance(backend, MemoryBackend)
    asyncio.run(backend.close())


@pytest.mark.parametrize("spelling", ["LocalFs", "local_fs"])
def test_local_fs(spelling: str, tmp_path: Path) -> None:
    backend = open_storage(spelling, {"local_fs": {"dir_path": str(tmp_path / "deep" / "store")}, "postgres": {}})
    assert isinstance(backend, LocalFsBackend)
    asyncio.run(backend.close())
    assert (tmp_path / "deep" / "store").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("spelling", ["LocalJson", "local_json"])
def test_local_json(spelling: str, tmp_path: Path) -> None:
    backend = open_storage(spelling, {"local_json": {"file_dir_path": str(tmp_path / "deep" / "store")}})
    assert isinstance(backend, LocalJsonBackend)
    asyncio.run(backend.close())
    assert (tmp_path / "deep" / "store").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("spelling", ["Sqlite", "sqlite"])
def test_sqlite(spelling: str, tmp_path: Path) -> None:
    backend = open_storage(spelling, {"sqlite": {"path": str(tmp_path / "s.sqlite")}})
    assert isinstance(backend, SqliteBackend)
    asyncio.run(backend.close())
    assert (tmp_path / "s.sqlite").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("storage_type", "message"),
    [
        ("LocalFs", "invalid configuration: Local FS configuration is required"),
        ("local_fs", "invalid configuration: Local FS configuration is required"),
        ("LocalJson", "invalid configuration: Local JSON configuration is required"),
        ("Sqlite", "invalid configuration: SQLite configuration is required"),
    ],
)
def test_a_type_without_its_table_is_refused_in_upstreams_words(storage_type: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_storage(storage_type, {"memory": {}})
    assert caught.value.code == "STORAGE-TABLE"
    assert caught.value.message == message
    assert "[storage_backend.backends." in caught.value.advice


@pytest.mark.parametrize("storage_type", ["Postgres", "postgres", "Redis", "redis"])
def test_what_this_version_lacks_says_what_to_use(storage_type: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_storage(storage_type, {})
    assert caught.value.code == "STORAGE-UNAVAILABLE"
    assert caught.value.message == f"storage_type {storage_type} is not available in this version"
    assert "sqlite" in caught.value.advice


@pytest.mark.parametrize("storage_type", ["", "LOCALFS", "localfs", "../memory", "sled"])
def test_an_unknown_type_names_the_known_ones(storage_type: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_storage(storage_type, {})
    assert caught.value.code == "STORAGE-UNKNOWN"
    assert "local_fs, local_json, memory, sqlite" in caught.value.advice


@pytest.mark.parametrize("value", ["", 5, None, "a\0b", ["x"]])
@pytest.mark.parametrize(("name", "key"), PLACES)
def test_a_setting_that_is_no_path_is_refused(name: str, key: str, value: object) -> None:
    with pytest.raises(ConfigError) as caught:
        open_storage(name, {name: {key: value}})
    assert caught.value.code == "STORAGE-CONFIG"
    assert caught.value.message == f"storage_backend.backends.{name}.{key} is not a path"
    assert "/opt/confidential-containers/storage/" in caught.value.advice


@pytest.mark.parametrize(("name", "key"), PLACES)
def test_a_place_that_cannot_be_made_is_refused(name: str, key: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError) as caught:
        open_storage(name, {name: {key: str(tmp_path / "file" / "below")}})
    assert caught.value.code == "STORAGE-CONFIG"
    assert f"storage_backend.backends.{name}.{key}" in caught.value.message


def test_what_the_package_exports() -> None:
    assert sorted(exported) == [
        "KeyRefusedError",
        "KeyValueStore",
        "StorageBackend",
        "StorageCorruptError",
        "StorageError",
        "StorageTimeoutError",
        "ValueRefusedError",
        "open_storage",
    ]
