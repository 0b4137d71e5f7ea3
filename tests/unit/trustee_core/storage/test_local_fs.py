"""What is particular to LocalFs: upstream's layout, links, notes of expiry, what a crash leaves behind."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import itertools
import logging
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from trustee_core.storage.contract import KeyRefusedError, StorageCorruptError, StorageError, StorageTimeoutError
from trustee_core.storage.files import TooLargeError, read_all
from trustee_core.storage.gathered import Write
from trustee_core.storage.local_fs import LocalFsBackend
from trustee_core.storage.local_fs_files import key_of
from trustee_core.storage.local_fs_namespace import Namespace
from trustee_core.storage.worker import Job

from tests.unit.trustee_core.storage.conftest import FakeClock, logged
from tests.unit.trustee_core.storage.crashes import Crash, crash_at

RECORDED = Path(__file__).parents[3] / "conformance" / "wire" / "stores" / "localfs"
"""Folders that the Rust KBS wrote."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "fs"
    folder.mkdir()
    return folder


def opened(root: Path, clock: FakeClock | None = None, lock_wait: float = 5.0) -> LocalFsBackend:
    return LocalFsBackend(root, clock=clock or FakeClock(), lock_wait=lock_wait)


def tree(root: Path) -> dict[str, bytes]:
    """All files outside our own folder, by their path below `root`."""
    files = (path for path in root.rglob("*") if path.is_file() and ".attestack" not in path.parts)
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def modes(root: Path) -> set[tuple[str, int]]:
    return {("folder" if path.is_dir() else "file", path.stat().st_mode & 0o777) for path in root.rglob("*")}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_a_recorded_directory_is_read_as_it_is(tmp_path: Path) -> None:
    shutil.copytree(RECORDED, tmp_path / "fs")
    backend = opened(tmp_path / "fs")
    store = backend.namespace("repository")
    assert await store.keys() == ["a-b/c.d/e_f", "default/big/1", "default/key/1", "my_repo/resource_type/123abc"]
    assert await store.get("default/key/1") == b"the-secret-bytes"
    assert await store.get("a-b/c.d/e_f") == b""
    assert await store.get("my_repo/resource_type/123abc") == bytes(range(256))
    for path in RECORDED.rglob("*"):
        if path.is_file():
            key = path.name.replace("\\x2F", "/")
            assert await backend.namespace(path.parent.name).get(key) == path.read_bytes()
    await backend.close()
    assert tree(tmp_path / "fs") == tree(RECORDED)
    assert names(tmp_path / "fs") == names(RECORDED)  # reading leaves no trace, so the folder may be read-only


async def test_the_same_input_gives_the_recorded_directory(root: Path) -> None:
    backend = opened(root)
    for name, value in tree(RECORDED).items():
        namespace, _, file = name.partition("/")
        await backend.namespace(namespace).put(file.replace("\\x2F", "/"), value)
    await backend.close()
    assert tree(root) == tree(RECORDED)


async def test_folders_and_files_are_for_their_owner_only(root: Path) -> None:
    backend = opened(root)
    await backend.namespace("kbs").put("a/b", b"value", ttl=10)
    await backend.close()
    assert modes(root) == {("folder", 0o700), ("file", 0o600)}


async def test_a_namespace_holds_values_and_nothing_else(root: Path, clock: FakeClock) -> None:
    backend = opened(root, clock)
    store = backend.namespace("kbs")
    await store.put("a", b"1", ttl=10)
    await store.put_if_absent("a", b"2")
    await store.put_if_absent("b", b"2")
    await store.compare_and_set("b", b"2", b"3", ttl=10)
    await backend.close()
    assert names(root / "kbs") == ["a", "b"]
    assert names(root) == [".attestack", "kbs"]


async def test_our_own_folder_is_no_namespace(root: Path) -> None:
    backend = opened(root)
    for name in (".attestack", ".attestack/lock"):
        with pytest.raises(KeyRefusedError) as caught:
            backend.namespace(name)
        assert caught.value.code == "STORAGE-NAMESPACE"


@pytest.mark.parametrize("key", ["a b", "a:b", "ä", "a\\x2Fb", "a\n", "a\\b", "a%2eb", "rvps:///a/b:1", "a\tb"])
async def test_characters_that_upstream_refuses_are_refused_in_its_words(root: Path, key: str) -> None:
    store = opened(root).namespace("reference_value")
    with pytest.raises(KeyRefusedError) as caught:
        await store.put(key, b"")
    assert caught.value.code == "STORAGE-KEY"
    assert caught.value.message.endswith(": key contains invalid characters")
    assert await store.get(key) is None


async def test_a_key_must_fit_a_file_name(root: Path) -> None:
    backend = opened(root)
    store = backend.namespace("n")
    longest = "a/" * 50 + "b" * 5  # 50 * 5 + 5
    await store.put(longest, b"")
    with pytest.raises(KeyRefusedError, match="longer than 255 bytes as a file name") as caught:
        await store.put(longest + "b", b"")
    assert caught.value.code == "STORAGE-KEY"
    assert await store.keys() == [longest]
    await backend.close()


def test_only_one_name_is_the_name_of_a_key() -> None:
    assert key_of("a\\x2Fb") == "a/b"
    assert key_of("a\\x2fb") is None
    assert key_of("a\\x2F..") is None
    assert key_of("\\x2Fa") is None


async def test_files_that_are_no_values_are_reported_once_and_not_listed(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    backend = opened(root)
    store = backend.namespace("n")
    await store.put("good", b"")
    (root / "n" / "with space").write_bytes(b"")
    (root / "n" / "folder").mkdir()
    os.mkfifo(root / "n" / "pipe")
    (root / "n" / "link").symlink_to("/etc/passwd")
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert await store.keys() == ["good"]
    await backend.close()
    assert sorted(logged(caplog)) == [
        "not served namespace=n file=link reason=not a regular file",
        "not served namespace=n file=pipe reason=not a regular file",
        "not served namespace=n file=with space reason=not the name of a key",
    ]


@pytest.mark.parametrize("target", ["/etc/passwd", "../other/secret", "../n/../other/secret", "nowhere", "link", "/"])
async def test_a_link_that_leads_elsewhere_is_not_served(
    root: Path, target: str, caplog: pytest.LogCaptureFixture
) -> None:
    backend = opened(root)
    await backend.namespace("other").put("secret", b"secret")
    store = backend.namespace("n")
    (root / "n" / "link").symlink_to(target)
    if target == "nowhere":
        assert await store.get("link") is None
    else:
        with caplog.at_level(logging.WARNING), pytest.raises(StorageCorruptError) as caught:
            await store.get("link")
        assert caught.value.code == "STORAGE-CORRUPT"
        assert caught.value.message.startswith("failed to get key `link`: failed to read the file: ")
        assert logged(caplog)[0].startswith("not served namespace=n file=link reason=")
    assert await store.keys() == []
    await backend.close()


async def test_a_mounted_config_map_is_read(root: Path) -> None:
    backend = opened(root)
    store = backend.namespace("kbs")
    (root / "kbs" / "..2026_11_22").mkdir()
    (root / "kbs" / "..2026_11_22" / "resource-policy.rego").write_bytes(b"package policy")
    (root / "kbs" / "..data").symlink_to("..2026_11_22")
    (root / "kbs" / "resource-policy.rego").symlink_to("..data/resource-policy.rego")
    (root / "kbs" / "absolute").symlink_to(root / "kbs" / "resource-policy.rego")
    assert await store.get("resource-policy.rego") == b"package policy"
    assert await store.get("absolute") == b"package policy"
    assert await store.keys() == ["absolute", "resource-policy.rego"]
    await backend.close()


async def test_writing_replaces_a_link_and_not_what_it_leads_to(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"untouched")
    backend = opened(root)
    store = backend.namespace("n")
    (root / "n" / "key").symlink_to(outside)
    await store.put("key", b"ours")
    assert await store.get("key") == b"ours"
    (root / "n" / "other").symlink_to(outside)
    assert await store.delete("other") is True
    assert await store.keys() == ["key"]
    await backend.close()
    assert outside.read_bytes() == b"untouched"


async def test_a_namespace_that_is_a_link_is_not_used(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (root / "n").symlink_to(tmp_path / "outside")
    with pytest.raises(StorageError) as caught:
        opened(root).namespace("n")
    assert caught.value.code == "STORAGE-IO"
    assert caught.value.message.startswith(f"failed to initialize backend: {root}/n: ")


async def test_pipes_and_folders_are_not_values(root: Path) -> None:
    backend = opened(root)
    store = backend.namespace("n")
    os.mkfifo(root / "n" / "pipe")
    (root / "n" / "folder").mkdir()
    for key in ("pipe", "folder"):
        with pytest.raises(StorageCorruptError) as caught:
            await store.get(key)
        assert caught.value.code == "STORAGE-CORRUPT"
    with pytest.raises(StorageError) as failed:
        await store.put("folder", b"")
    assert failed.value.code == "STORAGE-IO"
    await backend.close()


async def test_a_file_larger_than_any_value_is_not_served(root: Path) -> None:
    backend = opened(root)
    store = backend.namespace("n")
    with (root / "n" / "large").open("wb") as file:
        file.truncate((16 << 20) + 1)
    with pytest.raises(StorageCorruptError, match="larger than 16777216 bytes") as caught:
        await store.get("large")
    assert caught.value.code == "STORAGE-CORRUPT"
    await backend.close()


async def test_a_folder_that_vanished_is_empty_and_made_again(root: Path) -> None:
    backend = opened(root)
    store = backend.namespace("n")
    await store.put("key", b"", ttl=10)
    shutil.rmtree(root)
    shutil.copytree(RECORDED / "kbs", root)
    assert await store.get("key") is None
    assert await store.keys() == []
    await store.put("key", b"one")
    assert await store.get("key") == b"one"
    await backend.close()


async def test_a_listing_that_fails_says_so(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = opened(root)
    store = backend.namespace("n")

    def broken(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", broken)
        with pytest.raises(StorageError, match="failed to list keys: failed to read the directory") as caught:
            await store.keys()
    assert caught.value.code == "STORAGE-IO"
    (root / "n").rmdir()
    (root / "n").write_bytes(b"")
    with pytest.raises(StorageError) as caught:
        await store.keys()
    assert caught.value.code == "STORAGE-IO"
    with pytest.raises(StorageCorruptError):
        await store.get("key")
    await backend.close()


async def test_a_disk_that_is_full_leaves_the_old_value(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = opened(root)
    store = backend.namespace("n")
    await store.put("key", b"old")

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(StorageError) as caught:
            await store.put("key", b"new")
    assert caught.value.code == "STORAGE-IO"
    assert caught.value.message == "failed to set key `key`: No space left on device"
    assert await store.get("key") == b"old"
    await store.put("key", b"new")
    assert await store.get("key") == b"new"
    await backend.close()


async def test_a_namespace_on_another_file_system_says_where_to_mount(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = opened(root)
    store = backend.namespace("n")

    def other_device(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", other_device)
        with pytest.raises(StorageError) as caught:
            await store.put("key", b"new")
    assert caught.value.code == "STORAGE-IO"
    assert "mount" in caught.value.advice
    await backend.close()


@pytest.mark.parametrize("reason", [errno.EPERM, errno.EOPNOTSUPP])
async def test_file_systems_without_hard_links_will_do(
    root: Path, monkeypatch: pytest.MonkeyPatch, reason: int
) -> None:
    backend = opened(root)
    store = backend.namespace("n")

    def no_links(*_: object, **__: object) -> None:
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(os, "link", no_links)
    assert await store.put_if_absent("key", b"one") is True
    assert await store.put_if_absent("key", b"two") is False
    assert await store.get("key") == b"one"
    await backend.close()


async def test_other_failures_of_a_link_are_failures(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = opened(root)

    def broken(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "link", broken)
    with pytest.raises(StorageError) as caught:
        await backend.namespace("n").put_if_absent("key", b"one")
    assert caught.value.code == "STORAGE-IO"
    await backend.close()


async def test_a_value_that_another_program_makes_meanwhile_is_not_replaced(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = opened(root)
    store = backend.namespace("n")
    real_link = os.link

    def theirs_first(source: str, name: str, **folders: Any) -> None:
        (root / "n" / "key").write_bytes(b"theirs")
        real_link(source, name, **folders)

    monkeypatch.setattr(os, "link", theirs_first)
    assert await store.put_if_absent("key", b"ours", ttl=10) is False
    assert await store.get("key") == b"theirs"
    await backend.close()


async def test_what_a_dead_writer_left_is_not_written_through(root: Path) -> None:
    backend = opened(root)
    store = backend.namespace("n")
    await store.put("key", b"one")
    # A writer that died between giving a value its name and taking the temporary one away:
    os.link(root / "n" / "key", root / ".attestack" / "tmp" / "n")
    await store.put("other", b"two")
    assert await store.get("key") == b"one"
    assert await store.get("other") == b"two"
    await backend.close()


async def test_a_lock_that_is_held_is_waited_for_and_then_a_timeout(root: Path) -> None:
    backend = opened(root, lock_wait=0.05)
    store = backend.namespace("n")
    await store.put("key", b"one")
    with (root / ".attestack" / "lock" / "n").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StorageTimeoutError) as caught:
            await store.put("key", b"two")
        assert caught.value.code == "STORAGE-TIMEOUT"
        assert await store.get("key") == b"one"
        await backend.namespace("other").put("key", b"another lock")
    await store.put("key", b"three")
    assert await store.get("key") == b"three"
    await backend.close()


def wait_until_open(path: Path) -> None:
    """Wait until this process has the file open twice: the test's own descriptor, and the worker's."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        opened_files = []
        for entry in Path("/proc/self/fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                opened_files.append(entry.readlink())
        if opened_files.count(path) == 2:
            return
        time.sleep(0.001)
    raise AssertionError("the worker never asked for the lock")


async def test_a_lock_file_that_was_removed_protects_nothing_and_is_made_again(root: Path) -> None:
    backend = opened(root)
    store = backend.namespace("n")
    await store.put("key", b"one")
    path = root / ".attestack" / "lock" / "n"
    with path.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        write = asyncio.ensure_future(store.put("key", b"two"))
        await asyncio.to_thread(wait_until_open, path)
        path.unlink()
    await write
    assert await store.get("key") == b"two"
    assert path.exists()
    await backend.close()


async def test_a_value_that_another_program_wrote_over_does_not_expire(root: Path, clock: FakeClock) -> None:
    backend = opened(root, clock)
    store = backend.namespace("n")
    await store.put("key", b"ours", ttl=10)
    (root / "n" / "key").write_bytes(b"theirs")
    clock.advance(10)
    assert await store.get("key") == b"theirs"
    assert await store.keys() == ["key"]
    await store.put("other", b"")  # sweeps the note, not the value
    assert await store.get("key") == b"theirs"
    assert not (root / ".attestack" / "expiry" / "n" / "key").exists()
    await backend.close()


async def test_expired_values_leave_the_folder(root: Path, clock: FakeClock) -> None:
    backend = opened(root, clock)
    store = backend.namespace("n")
    for n in range(6):
        await store.put(f"s{n}", b"session", ttl=10)
    await store.put("later", b"session", ttl=100)
    clock.advance(10)
    for _ in range(3):
        await store.put("kept", b"")
    assert sorted(tree(root)) == ["n/kept", "n/later"]
    notes = root / ".attestack" / "expiry" / "n"
    assert names(notes) == ["later"]
    await backend.close()


async def test_what_cannot_be_swept_stays_and_is_logged(
    root: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    backend = opened(root, clock)
    store = backend.namespace("n")
    await store.put("key", b"session", ttl=10)
    (root / "n" / "key").unlink()
    (root / "n" / "key").symlink_to("/etc/passwd")
    clock.advance(10)
    with caplog.at_level(logging.WARNING):
        await store.put("other", b"")
    assert [line.split(" error=")[0] for line in logged(caplog)] == ["not swept namespace=n file=key"]
    assert (root / ".attestack" / "expiry" / "n" / "key").exists()
    await backend.close()


@pytest.mark.parametrize("note", [b"", b"junk", b"12 " + b"A" * 64 + b"\n", b"1 " + b"a" * 64, b"x" * 5000])
async def test_a_damaged_note_serves_nothing_until_the_value_is_written_again(root: Path, note: bytes) -> None:
    backend = opened(root)
    store = backend.namespace("n")
    await store.put("key", b"one", ttl=10)
    path = root / ".attestack" / "expiry" / "n" / "key"
    path.write_bytes(note)
    with pytest.raises(StorageCorruptError) as caught:
        await store.get("key")
    assert caught.value.code == "STORAGE-CORRUPT"
    await store.put("other", b"")
    assert await store.keys() == ["other"]
    await store.put("key", b"two")
    assert await store.get("key") == b"two"
    await store.put("key", b"two", ttl=10)
    path.write_bytes(note)
    assert await store.delete("key") is True
    assert await store.get("key") is None
    await backend.close()


async def test_a_value_that_keeps_changing_is_read_with_the_lock(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = opened(root)
    store = backend.namespace("n")
    await store.put("key", b"one", ttl=10)
    real_note, calls = Namespace.note, itertools.count(1)

    def changing(self: Namespace, name: str, folder: Any) -> Any:
        if next(calls) <= 6:  # three times on this thread, and three times on the worker's before it takes the lock
            (root / "n" / "next").write_bytes(b"one")
            (root / "n" / "next").rename(root / "n" / "key")
        return real_note(self, name, folder)

    monkeypatch.setattr(Namespace, "note", changing)
    assert await store.get("key") == b"one"
    assert next(calls) == 8
    await backend.close()


State = tuple[bytes, int | None]
"""A value and its time to live."""


def done(namespace: Namespace, *operations: Write) -> list[bool]:
    """Do a batch in this thread."""
    jobs = [Job(operation, None) for operation in operations]  # type: ignore[arg-type]  # nobody waits for them
    namespace.commit(jobs)
    assert [job.error for job in jobs] == [None] * len(jobs)
    return [job.outcome for job in jobs]


def timeline(root: Path, start: FakeClock) -> list[bytes | None]:
    """What a new process reads at once, after the old value's time, and after the new value's time."""
    clock = FakeClock()
    clock.now = start.now
    seen = []
    for seconds in (0, 5, 5):
        clock.advance(seconds)
        seen.append(Namespace(str(root), "n", clock=clock, lock_wait=1).read_waiting("key"))
    return seen


@pytest.mark.parametrize("old", [None, (b"old", None), (b"old", 5)], ids=["absent", "kept", "mortal"])
@pytest.mark.parametrize(
    "new",
    [None, (b"new", None), (b"new", 10), (b"old", None), (b"old", 10)],
    ids=["deleted", "k", "m", "same-k", "same-m"],
)
@pytest.mark.parametrize("before", [None, (b"new", 5)], ids=["fresh", "after-a-crash"])
def test_a_crash_leaves_the_old_state_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: State | None, new: State | None, before: State | None
) -> None:
    def change(namespace: Namespace, write: State | None) -> None:
        operation = Write(namespace, "delete", "key", lambda change: change.delete())
        if write is not None:
            value, ttl = write
            expires = None if ttl is None else int((namespace._clock().timestamp() + ttl) * 1_000_000)
            operation = Write(namespace, "set", "key", lambda change: change.put(value, expires))
        done(namespace, operation)

    def prepared(name: str) -> tuple[Path, Namespace, FakeClock]:
        root, clock = tmp_path / name, FakeClock()
        root.mkdir()
        namespace = Namespace(str(root), "n", clock=clock, lock_wait=1)
        namespace.make()
        change(namespace, old)
        if before is not None:  # the note of a write that never came to its end
            change(namespace, before)
            note = (root / ".attestack" / "expiry" / "n" / "key").read_bytes()
            change(namespace, old)
            path = root / ".attestack" / "expiry" / "n" / "key"
            path.write_bytes(note + (path.read_bytes() if path.exists() else b""))
        return root, namespace, clock

    root, namespace, clock = prepared("done")
    old_timeline = timeline(root, clock)
    change(namespace, new)
    new_timeline = timeline(root, clock)
    assert new_timeline == ([None] * 3 if new is None else [new[0]] * 3 if new[1] is None else [new[0], new[0], None])
    for step in range(100):
        root, namespace, clock = prepared(f"step{step}")
        with monkeypatch.context() as patch:
            crashed = crash_at(patch, step)
            try:
                change(namespace, new)
            except Crash:
                assert timeline(root, clock) in (old_timeline, new_timeline), crashed
            else:
                assert timeline(root, clock) == new_timeline
                assert step > (3 if new is not None else 1 if old is not None else 0)  # a delete changes less
                return
    raise AssertionError("the write never came to its end")


async def test_a_value_that_goes_while_it_is_read_is_absent(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = opened(root)
    store = backend.namespace("n")
    await store.put("key", b"one", ttl=10)
    real_note = Namespace.note

    def gone_meanwhile(self: Namespace, name: str, folder: Any) -> Any:
        (root / "n" / "key").unlink(missing_ok=True)
        (root / ".attestack" / "expiry" / "n" / "key").unlink(missing_ok=True)
        return real_note(self, name, folder)

    monkeypatch.setattr(Namespace, "note", gone_meanwhile)
    assert await store.get("key") is None  # and not a value that no longer expires
    await backend.close()


async def test_a_claim_without_hard_links_does_not_replace_what_comes_meanwhile(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = opened(root)
    store = backend.namespace("n")

    def theirs_first(*_: object, **__: object) -> None:
        (root / "n" / "key").write_bytes(b"theirs")
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", theirs_first)
    assert await store.put_if_absent("key", b"ours") is False
    assert await store.get("key") == b"theirs"
    await backend.close()


async def test_folders_are_let_go(root: Path) -> None:
    def held() -> int:
        links = []
        for entry in Path("/proc/self/fd").iterdir():
            with suppress(FileNotFoundError):
                links.append(str(entry.readlink()))
        return sum(link.startswith(str(root)) for link in links)

    backend = opened(root)
    for number in range(20):
        await backend.namespace("n").put("key", str(number).encode(), ttl=10)
        assert await backend.namespace("n").get("key") == str(number).encode()
        assert held() == 3  # of the values, of the notes, and of what is on its way
    await backend.close()
    assert held() == 0


@pytest.mark.parametrize("size", [None, 0, 2, 3, 4])
def test_a_file_is_read_to_its_end_whatever_size_it_was_thought_to_have(tmp_path: Path, size: int | None) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    for limit in (3, 4):
        file = os.open(tmp_path / "file", os.O_RDONLY)
        assert read_all(file, limit, size) == b"abc"
        os.close(file)
    file = os.open(tmp_path / "file", os.O_RDONLY)
    with pytest.raises(TooLargeError):
        read_all(file, 2, size)
    os.close(file)
