"""Resources of files: exactly the stock files, bounded, and clear about what is wrong with them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from attestack_common.errors import ConfigError
from attestation_protocol.errors import EncodingError
from attestation_protocol.resource_uri import ResourceUri
from confidential_data_hub.config import HubConfig, KbcConfig
from confidential_data_hub.errors import OfflineResourceError
from confidential_data_hub.hub import Hub
from confidential_data_hub.kbc import offline_fs
from confidential_data_hub.kbc.offline_fs import OfflineFsKbc, offline_fs_kbc, parse_resources
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from pathlib import Path

KEY = ResourceUri.parse("kbs:///default/key/1")


def file(path: Path, **resources: str) -> Path:
    path.write_text(json.dumps({name.replace("_", "/"): value for name, value in resources.items()}))
    return path


async def refused(files: list[Path]) -> OfflineResourceError:
    with pytest.raises(OfflineResourceError) as caught:
        await OfflineFsKbc(files).get_resource(KEY)
    return caught.value


def test_the_files_are_the_stock_hubs() -> None:
    assert [str(path) for path in offline_fs.FILES] == [
        "/etc/aa-offline_fs_kbc-keys.json",
        "/etc/aa-offline_fs_kbc-resources.json",
    ]


async def test_a_resource_is_found_by_its_path_alone(tmp_path: Path) -> None:
    client = OfflineFsKbc([file(tmp_path / "keys", default_key_1="c2VjcmV0")])
    for uri in ("kbs:///default/key/1", "kbs+other://host:1/default/key/1?a=b"):
        assert (await client.get_resource(ResourceUri.parse(uri))).reveal() == b"secret"


async def test_later_files_win_and_missing_ones_are_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = [
        tmp_path / "nowhere",
        file(tmp_path / "a", default_key_1="YQ==", default_key_2="Yg=="),
        file(tmp_path / "b", default_key_1="Yw=="),
    ]
    client = OfflineFsKbc(files)
    assert (await client.get_resource(KEY)).reveal() == b"c"
    assert "a file of resources is not there" in caplog.text
    assert "replaces the earlier one" in caplog.text


async def test_what_is_changed_counts_at_once(tmp_path: Path) -> None:
    client = OfflineFsKbc([file(tmp_path / "a", default_key_1="YQ==")])
    assert (await client.get_resource(KEY)).reveal() == b"a"
    file(tmp_path / "a", default_key_1="Yg==")
    assert (await client.get_resource(KEY)).reveal() == b"b"


async def test_a_resource_that_no_file_has_is_missing(tmp_path: Path) -> None:
    assert (await refused([file(tmp_path / "a", default_key_2="YQ==")])).code == "HUB-OFFLINE-MISSING"
    assert (await refused([tmp_path / "nowhere"])).code == "HUB-OFFLINE-MISSING"


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{", b'{"a":1}', b'{"a":"%"}', b'{"a":"YQ"}', b'{"a":"","a":""}', b"\xff", b"[" * 100_000]
)
async def test_a24_a_file_that_cannot_be_used_is_named_and_stops_all(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "bad").write_bytes(text)
    error = await refused([file(tmp_path / "good", default_key_1="YQ=="), tmp_path / "bad"])
    assert (error.code, str(tmp_path / "bad") in error.message) == ("HUB-OFFLINE-FILE", True)


async def test_a24_a_file_beyond_the_limit_or_that_is_none_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offline_fs, "MAX_FILE", 20)
    for path in (file(tmp_path / "large", default_key_1="A" * 40), tmp_path):
        error = await refused([path])
        assert (error.code, error.message.startswith(f"{path}: ")) == ("HUB-OFFLINE-FILE", True)


async def test_a35_no_error_shows_a_value(tmp_path: Path) -> None:
    error = await refused([file(tmp_path / "a", default_key_1="not-base64-secret")])
    assert "not-base64-secret" not in f"{error} {error.advice}"


def test_the_environment_names_more_files() -> None:
    client = offline_fs_kbc({"OFFLINE_FS_KBC_EXTRA_FILE_PATH": "/a, /b,,"})
    assert [str(path) for path in client._files[2:]] == ["/a", "/b"]  # no other door shows them
    assert len(offline_fs_kbc({})._files) == 2  # as above
    with pytest.raises(ConfigError) as caught:
        offline_fs_kbc({"OFFLINE_FS_KBC_EXTRA_FILE_PATH": ",".join(["/a"] * 17)})
    assert caught.value.code == "HUB-OFFLINE-FILE"


async def test_a_hub_on_files_needs_neither_agent_nor_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OFFLINE_FS_KBC_EXTRA_FILE_PATH", str(file(tmp_path / "a", default_key_1="YQ==")))
    hub = await Hub.assemble(HubConfig(kbc=KbcConfig("offline_fs_kbc", "null")))
    assert hub.agent is None
    assert (await hub.broker.get_resource(KEY)).reveal() == b"a"
    await hub.close()


@given(st.binary(max_size=200))
def test_any_bytes_are_resources_or_the_one_error(data: bytes) -> None:
    try:
        parse_resources(data)
    except EncodingError:
        return
    assert isinstance(json.loads(data), dict)
