"""What is particular to LocalJson: upstream's bytes, its keys, and files that are damaged or no files."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
from pathlib import Path

import pytest
from trustee_core.storage import local_json_draft
from trustee_core.storage.contract import KeyRefusedError, StorageCorruptError, StorageError
from trustee_core.storage.local_json import LocalJsonBackend
from trustee_core.storage.local_json_document import encode_value

from tests.unit.trustee_core.storage.conftest import FakeClock, logged

RECORDED = Path(__file__).parents[3] / "conformance" / "wire" / "stores" / "localjson"
"""Files that the Rust KBS wrote."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "json"
    folder.mkdir()
    return folder


def opened(root: Path, clock: FakeClock | None = None, lock_wait: float = 5.0) -> LocalJsonBackend:
    return LocalJsonBackend(root, clock=clock or FakeClock(), lock_wait=lock_wait)


def tree(root: Path) -> dict[str, bytes]:
    """All files outside our own folder, by their path below `root`."""
    files = (path for path in root.rglob("*") if path.is_file() and ".attestack" not in path.parts)
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def modes(root: Path) -> set[tuple[str, int]]:
    return {("folder" if path.is_dir() else "file", path.stat().st_mode & 0o777) for path in root.rglob("*")}


async def test_a_recorded_directory_is_read_as_it_is(tmp_path: Path) -> None:
    shutil.copytree(RECORDED, tmp_path / "json")
    backend = opened(tmp_path / "json")
    store = backend.namespace("repository")
    assert await store.keys() == ["a-b/c.d/e_f", "default/big/1", "default/key/1", "my_repo/resource_type/123abc"]
    assert await store.get("default/key/1") == b"the-secret-bytes"
    assert await store.get("a-b/c.d/e_f") == b""
    assert await store.get("my_repo/resource_type/123abc") == bytes(range(256))
    reference_values = backend.namespace("reference_value")
    spaced = json.loads(await reference_values.get("weird/name with space:1") or b"")
    assert spaced["value"] == {"nested": [1, True, None, "x"]}
    for path in RECORDED.iterdir():
        recorded = json.loads(path.read_bytes())
        assert await backend.namespace(path.name).keys() == sorted(recorded)
        for key, text in recorded.items():
            assert encode_value(await backend.namespace(path.name).get(key) or b"") == text
    await backend.close()
    assert tree(tmp_path / "json") == tree(RECORDED)
    assert not (tmp_path / "json" / ".attestack").exists()  # reading leaves no trace, so the folder may be read-only


async def test_the_same_input_gives_the_recorded_bytes(tmp_path: Path, root: Path) -> None:
    shutil.copytree(RECORDED, tmp_path / "recorded")
    source, target = opened(tmp_path / "recorded"), opened(root)
    for path in RECORDED.iterdir():
        for key in json.loads(path.read_bytes()):
            value = await source.namespace(path.name).get(key)
            assert value is not None
            await target.namespace(path.name).put(key, value)
    await source.close()
    await target.close()
    assert tree(root) == tree(RECORDED)


async def test_a_recorded_file_goes_back_to_its_bytes_after_changes(tmp_path: Path) -> None:
    shutil.copytree(RECORDED, tmp_path / "json")
    backend = opened(tmp_path / "json")
    store = backend.namespace("reference_value")
    old = await store.get("svn")
    assert old is not None
    await store.put("new one", b"x", ttl=60)
    await store.put("svn", b"y")
    assert await store.delete("new one") is True
    await store.put("svn", old)
    await backend.close()
    assert tree(tmp_path / "json") == tree(RECORDED)


async def test_what_other_writers_may_write_is_read(root: Path) -> None:
    (root / "n").write_bytes(b' {\n  "a\\u0062c" : "YQ==",\n "\xc3\xa4\\n\\"": "__8=" , "\\ud83d\\ude00":""}\n')
    backend = opened(root)
    store = backend.namespace("n")
    assert await store.get("abc") == b"a"
    assert await store.get('ä\n"') == b"\xff\xff"
    assert await store.get("\U0001f600") == b""
    await store.put("\x7f\x1f\b/x", b"\xfb\xff")
    await backend.close()
    assert (root / "n").read_bytes() == (
        b'{"abc":"YQ==","\xc3\xa4\\n\\"":"__8=","\xf0\x9f\x98\x80":"","\x7f\\u001f\\b/x":"-_8="}'
    )


async def test_the_file_is_made_by_the_first_write(root: Path) -> None:
    backend = opened(root)
    store = backend.namespace("n")
    assert await store.get("key") is None
    assert await store.keys() == []
    assert await store.delete("key") is False
    assert await store.compare_and_set("key", b"", b"x") is False
    assert tree(root) == {}
    await store.put("key", b"")
    assert await store.delete("key") is True
    await backend.close()
    assert tree(root) == {"n": b"{}"}


async def test_folders_and_files_are_for_their_owner_only(root: Path) -> None:
    backend = opened(root)
    await backend.namespace("kbs").put("a/b", b"value", ttl=10)
    await backend.namespace("deep/er").put("a/b", b"value")
    await backend.close()
    assert modes(root) == {("folder", 0o700), ("file", 0o600)}
    assert sorted(tree(root)) == ["deep/er", "kbs"]


@pytest.mark.parametrize("name", [".attestack", ".attestack/lock"])
def test_our_own_folder_is_no_namespace(root: Path, name: str) -> None:
    with pytest.raises(KeyRefusedError) as caught:
        opened(root).namespace(name)
    assert caught.value.code == "STORAGE-NAMESPACE"


@pytest.mark.parametrize("key", ["a b", "a:b", "ä", "a\\x2Fb", "rvps:///a/b:1", "\u2028", "k" * 512])
async def test_keys_that_local_fs_refuses_are_kept(root: Path, key: str) -> None:
    backend = opened(root)
    await backend.namespace("n").put(key, b"value")
    await backend.close()
    again = opened(root)
    assert await again.namespace("n").get(key) == b"value"
    assert await again.namespace("n").keys() == [key]
    await again.close()


async def test_keys_that_only_upstream_takes_are_kept_reported_and_not_served(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (root / "n").write_bytes(b'{"../x":"YQ==","a":"YQ==","":"YQ=="}')
    backend = opened(root)
    store = backend.namespace("n")
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert await store.keys() == ["a"]
    assert await store.get("../x") is None
    assert await store.delete("../x") is False
    await store.put("a", b"b")
    await backend.close()
    assert (root / "n").read_bytes() == b'{"../x":"YQ==","a":"Yg==","":"YQ=="}'
    assert sorted(logged(caplog)) == [
        "not served namespace=n file= reason=key is empty or has an empty segment",
        "not served namespace=n file=../x reason=key has a segment `.` or `..`",
    ]


DAMAGED = {
    "empty": b"",
    "half": b'{"key":"YQ==","other":"Yg=',
    "list": b"[]",
    "number": b'{"key":1}',
    "object": b'{"key":{"value":"YQ==","expires_at":1}}',
    "null": b'{"key":null}',
    "twice": b'{"key":"YQ==","key":"Yg=="}',
    "not UTF-8": b'{"key":"\xff"}',
    "surrogate": b'{"\\ud800":"YQ=="}',
    "two": b"{}{}",
    "deep": b"[" * 100_000,
    "zeros": bytes(100),
}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED.keys())
async def test_a_damaged_file_is_kept_reported_and_never_served(
    root: Path, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (root / "n").write_bytes(data)
    backend = opened(root)
    store = backend.namespace("n")
    with caplog.at_level(logging.WARNING):
        for use, text in (
            (store.get("key"), "malformed value: failed to deserialize the file: "),
            (store.put("key", b"x"), "malformed value: failed to deserialize the file: "),
            (store.put_if_absent("new", b"x"), "malformed value: failed to deserialize the file: "),
            (store.delete("key"), "failed to delete key `key`: failed to deserialize the file: "),
            (store.keys(), "failed to list keys: failed to deserialize the file: "),
        ):
            with pytest.raises(StorageCorruptError) as caught:
                await use
            assert caught.value.code == "STORAGE-CORRUPT"
            assert caught.value.message.startswith(text)
            assert caught.value.advice.startswith(f"{root}/n stays as it is")
    assert (root / "n").read_bytes() == data
    assert len(logged(caplog)) == 1
    assert logged(caplog)[0].startswith(f"not served namespace=n file={root}/n reason=")
    (root / "n").write_bytes(b'{"key":"YQ=="}')
    assert await store.get("key") == b"a"
    await backend.close()


@pytest.mark.parametrize("text", ["YQ", "YR==", "Y!==", "+/8=", "ä", "YQ==\\n", "YQ== ", "="])
async def test_a_damaged_value_is_kept_and_not_served_until_it_is_written_again(
    root: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    data = f'{{"key":"{text}","good":"YQ=="}}'.encode()
    (root / "n").write_bytes(data)
    backend = opened(root)
    store = backend.namespace("n")
    with caplog.at_level(logging.WARNING):
        for use in (store.get("key"), store.compare_and_set("key", b"a", b"x"), store.put_if_absent("key", b"x")):
            with pytest.raises(StorageCorruptError) as caught:
                await use
            assert caught.value.code == "STORAGE-CORRUPT"
            assert caught.value.message.startswith(
                "failed to get key `key`: failed to base64 decode the content inside json: "
            )
        assert await store.keys() == ["good"]
    assert [line.split(" reason=")[0] for line in logged(caplog)] == ["not served namespace=n file=key"]
    assert (root / "n").read_bytes() == data
    await store.put("other", b"")
    assert json.loads((root / "n").read_bytes())["key"] == json.loads(data)["key"]
    assert await store.get("good") == b"a"
    await store.put("key", b"new")
    assert await store.get("key") == b"new"
    (root / "n").write_bytes(data)
    assert await store.delete("key") is True
    assert await store.keys() == ["good"]
    await backend.close()


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "n", "/"])
async def test_a_link_that_leads_elsewhere_is_neither_served_nor_replaced(root: Path, target: str) -> None:
    (root.parent / "outside").write_bytes(b'{"key":"YQ=="}')
    (root / "n").symlink_to(target)
    backend = opened(root)
    store = backend.namespace("n")
    for use in (store.get("key"), store.put("key", b"x"), store.delete("key"), store.keys()):
        with pytest.raises(StorageCorruptError) as caught:
            await use
        assert caught.value.code == "STORAGE-CORRUPT"
        assert ": failed to read the file: " in caught.value.message
    assert (root / "n").is_symlink()
    assert (root.parent / "outside").read_bytes() == b'{"key":"YQ=="}'
    await backend.close()


async def test_a_mounted_config_map_is_read_and_a_write_replaces_the_link(root: Path) -> None:
    (root / "..2026_11_22").mkdir()
    (root / "..2026_11_22" / "kbs").write_bytes(b'{"resource-policy.rego":"YQ=="}')
    (root / "..data").symlink_to("..2026_11_22")
    (root / "kbs").symlink_to("..data/kbs")
    backend = opened(root)
    store = backend.namespace("kbs")
    assert await store.get("resource-policy.rego") == b"a"
    await store.put("resource-policy.rego", b"b")
    assert await store.get("resource-policy.rego") == b"b"
    assert (root / "..2026_11_22" / "kbs").read_bytes() == b'{"resource-policy.rego":"YQ=="}'
    assert not (root / "kbs").is_symlink()
    await backend.close()


async def test_a_pipe_is_not_read(root: Path) -> None:
    os.mkfifo(root / "n")
    store = opened(root).namespace("n")
    with pytest.raises(StorageCorruptError, match="not a regular file"):
        await store.get("key")


async def test_a_file_that_is_too_large_is_not_read(root: Path) -> None:
    with (root / "n").open("wb") as file:
        file.truncate((256 << 20) + 1)
    backend = opened(root)
    with pytest.raises(StorageCorruptError, match="larger than 268435456 bytes") as caught:
        await backend.namespace("n").get("key")
    assert caught.value.code == "STORAGE-CORRUPT"
    await backend.close()


async def test_what_would_make_the_file_too_large_is_refused_alone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_json_draft, "MAX_FILE", 100)
    backend = opened(root)
    store = backend.namespace("n")
    await store.put("a", b"x" * 30)  # {"a":"<40 characters>"}
    too_large, fits = await asyncio.gather(
        store.put("b", b"y" * 36), store.put("b", b"y" * 33), return_exceptions=True
    )  # 48 characters, 44 characters
    assert isinstance(too_large, StorageError)
    assert too_large.code == "STORAGE-FULL"
    assert fits is None
    await store.put("a", b"x" * 30)
    assert await store.delete("a") is True
    await store.put("b", b"y" * 66)
    with pytest.raises(StorageError, match="failed to set key `b`: the file would be larger than 100 bytes"):
        await store.put("b", b"y" * 72)
    assert await store.get("b") == b"y" * 66
    await backend.close()
