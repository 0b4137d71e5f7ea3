"""The configuration file of `rvps`, in today's form and in older ones."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from attestack_common.errors import ConfigError
from reference_value_provider.config import RvpsConfig, RvpsStorage, load

if TYPE_CHECKING:
    from pathlib import Path


def written(folder: Path, document: Any) -> Path:
    path = folder / "rvps.json"
    path.write_text(json.dumps(document))
    return path


def test_without_a_file_all_is_default(tmp_path: Path) -> None:
    assert load(None, default=tmp_path / "rvps.json") == RvpsConfig()
    assert RvpsConfig().storage == RvpsStorage(storage_type="Memory", backends={})


def test_the_file_at_the_default_path_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, {"storage": {"storage_type": "LocalFs", "backends": {"local_fs": {"dir_path": "/d"}}}})
    config = load(None, default=path)
    assert config.storage == RvpsStorage(storage_type="LocalFs", backends={"local_fs": {"dir_path": "/d"}})


def test_a_file_that_was_named_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load(tmp_path / "nosuch.json")


def test_a_file_at_the_default_path_has_to_be_one(tmp_path: Path) -> None:
    path = tmp_path / "rvps.json"
    path.write_text("{")
    with pytest.raises(ConfigError, match=r"rvps\.json"):
        load(None, default=path)


def test_unknown_keys_are_named_or_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = written(tmp_path, {"strage": {}, "extractors": {"swid_extractor": {}}})
    with caplog.at_level(logging.WARNING):
        load(path)
    assert "strage" in caplog.text
    with pytest.raises(ConfigError, match="strage"):
        load(path, strict=True)


def test_the_switch_is_read(tmp_path: Path) -> None:
    assert load(written(tmp_path, {"insecure_sample_reference_values": True})).insecure_sample_reference_values


@pytest.mark.parametrize(
    ("storage", "folder"),
    [
        ({"type": "LocalFs", "file_path": "/data/values"}, "/data/values"),
        ({"type": "LocalFs"}, "/opt/confidential-containers/attestation-service/reference_values"),
        ({"file_path": "/data/values"}, "/data/values"),
    ],
)
def test_local_fs_of_older_versions_is_kept_in_its_folder(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, storage: dict[str, Any], folder: str
) -> None:
    with caplog.at_level(logging.WARNING):
        config = load(written(tmp_path, {"storage": storage}), strict=True)
    assert config.storage == RvpsStorage(storage_type="LocalFs", backends={"local_fs": {"dir_path": folder}})
    assert "have to be registered again" in caplog.text


@pytest.mark.parametrize(
    "storage",
    [
        {"type": "LocalJson", "file_path": "/data/values.json"},
        {"type": "LocalFs", "file_path": 1},
        {"type": "LocalFs", "storage_type": "Memory"},
        {"type": None},
    ],
)
def test_other_storage_of_older_versions_is_refused(tmp_path: Path, storage: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="storage: `type` and `file_path`") as caught:
        load(written(tmp_path, {"storage": storage}))
    assert caught.value.code == "CONFIG-REFUSED-KEY"
    assert "storage_type" in caught.value.advice
