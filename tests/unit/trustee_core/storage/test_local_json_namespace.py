"""How LocalJson treats its files: failures, locks, what is kept in memory, times of expiry, crashes."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from attestation_protocol.encoding import compact_json
from trustee_core.storage import local_json_namespace
from trustee_core.storage.contract import StorageCorruptError, StorageError, StorageTimeoutError
from trustee_core.storage.gathered import Write
from trustee_core.storage.held_file import HeldFile, stamp_at
from trustee_core.storage.local_json import INLINE_SIZE, LocalJsonBackend
from trustee_core.storage.local_json_document import digest, encode_value
from trustee_core.storage.local_json_namespace import Namespace
from trustee_core.storage.worker import Job

from tests.unit.trustee_core.storage.conftest import FakeClock
from tests.unit.trustee_core.storage.crashes import Crash, crash_at

RECORDED = Path(__file__).parents[3] / "conformance" / "wire" / "stores" / "localjson"
"""Files that the Rust KBS wrote."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "json"
    folder.mkdir()
    return folder


def opened(root: Path, clock: FakeClock | None = None, lock_wait: float = 5.0) -> LocalJsonBackend:
    return LocalJsonBackend(root, clock=clock or FakeClock(), lock_wait=lock_wait)


@pytest.fixture
def aged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file counts as one that was written long ago."""
    monkeypatch.setattr(HeldFile, "is_settled", lambda _: True)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the files that were read."""
    sizes: list[int] = []
    real = HeldFile.read

    def counted(file: HeldFile) -> bytes:
        sizes.append(file.size)
        return real(file)

    monkeypatch.setattr(HeldFile, "read", counted)
    return sizes


async def test_a_folder_that_vanished_is_empty_and_made_again(root: Path) -> None:
    backend = opened(root)
    store = backend.namespace("n")
    await store.put("key", b"", ttl=10)
    shutil.rmtree(root)
    assert await store.get("key") is None
    with pytest.raises(StorageError) as caught:
        backend.namespace("other")
    assert caught.value.message.startswith(f"failed to initialize backend: {root}/other: ")
    shutil.copytree(RECORDED, root)
    assert await store.keys() == []
    await store.put("key", b"one")
    assert await store.get("key") == b"one"
    await backend.close()


async def test_a_disk_that_is_full_leaves_the_old_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = opened(root)
    store = backend.namespace("n")
    await store.put("key", b"old")

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        results = await asyncio.gather(
            store.put("key", b"new"), store.put("other", b""), store.delete("key"), return_exceptions=True
        )
    assert [getattr(result, "message", result) for result in results] == [
        "failed to set key `key`: No space left on device",
        "failed to set key `other`: No space left on device",
        "failed to delete key `key`: No space left on device",
    ]
    assert await store.get("key") == b"old"
    assert await store.keys() == ["key"]
    await store.put("key", b"new")
    assert await store.get("key") == b"new"
    await backend.close()


async def test_other_errors_of_reading_are_not_damage(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = opened(root)
    store = backend.namespace("n")

    def broken(*_: object, **__: object) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch:
        patch.setattr(local_json_namespace, "open_file", broken)
        with pytest.raises(StorageError, match="failed to list keys: Too many open files") as caught:
            await store.keys()
    assert caught.value.code == "STORAGE-IO"
    await store.put("key", b"one")
    with monkeypatch.context() as patch:
        patch.setattr(Namespace, "_keep", broken)  # after the write is done
        await store.put("key", b"written")
    assert await store.get("key") == b"written"
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


@pytest.mark.usefixtures("aged")
async def test_a_file_is_read_once(root: Path, reads: list[int]) -> None:
    (root / "n").write_bytes(b'{"key":"YQ=="}')
    backend = opened(root)
    for _ in range(3):
        assert await backend.namespace("n").get("key") == b"a"
    assert reads == [14]
    (root / "n").write_bytes(b'{"key":"Yg=="}')  # in place, of the same size
    assert await backend.namespace("n").get("key") == b"b"
    assert reads == [14, 14]
    await backend.namespace("n").put("key", b"mine", ttl=60)
    assert await backend.namespace("n").get("key") == b"mine"
    assert reads == [14, 14]
    await backend.close()


async def test_a_file_that_was_changed_a_moment_ago_is_read_each_time(root: Path, reads: list[int]) -> None:
    (root / "n").write_bytes(b'{"key":"YQ=="}')
    backend = opened(root)
    for _ in range(3):
        assert await backend.namespace("n").get("key") == b"a"
    assert len(reads) == 3
    await backend.close()


async def test_a_large_file_is_not_kept(root: Path, reads: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_json_namespace, "MAX_KEPT", 13)
    backend = opened(root)
    store = backend.namespace("n")
    await store.put("key", b"a")
    for _ in range(2):
        assert await store.get("key") == b"a"
    assert reads == [14, 14]
    await backend.close()


async def test_what_another_process_wrote_is_seen_at_once(root: Path) -> None:
    ours, theirs = opened(root), opened(root)
    for number in range(50):  # of one size, and within one tick of the file system's clock
        value = f"{number:02}".encode()
        await theirs.namespace("n").put("key", value)
        assert await ours.namespace("n").get("key") == value
        await theirs.namespace("n").put("mortal", value, ttl=10)
        assert await ours.namespace("n").get("mortal") == value
    await ours.close()
    await theirs.close()


async def test_files_are_let_go(root: Path) -> None:
    def held() -> int:
        links = []
        for entry in Path("/proc/self/fd").iterdir():
            try:
                links.append(str(entry.readlink()))
            except FileNotFoundError:
                continue
        return sum(link.startswith(str(root)) for link in links)

    backend = opened(root)
    for number in range(20):
        await backend.namespace("n").put("key", str(number).encode(), ttl=10)
        assert held() == 2
    await backend.close()
    assert held() == 0


async def test_a_large_value_is_decoded_on_the_worker(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = opened(root)
    store = backend.namespace("n")
    await store.put("large", bytes(INLINE_SIZE))
    await store.put("small", b"x")
    waited: list[str] = []
    real = Namespace.read_waiting

    def read_waiting(namespace: Namespace, key: str) -> bytes | None:
        waited.append(key)
        return real(namespace, key)

    monkeypatch.setattr(Namespace, "read_waiting", read_waiting)
    assert await store.get("small") == b"x"  # the file is large, but kept
    assert await store.get("large") == bytes(INLINE_SIZE)
    assert waited == ["large"]
    await backend.close()


async def test_operations_that_wait_together_are_one_write(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = opened(root)
    stores = backend.namespace("a"), backend.namespace("b")
    batches: list[int] = []
    real = Namespace._save

    def counted(self: Namespace, *arguments: Any) -> None:
        batches.append(1)
        real(self, *arguments)

    monkeypatch.setattr(Namespace, "_save", counted)
    await asyncio.gather(*(store.put(str(number), b"x", ttl=5) for number in range(32) for store in stores))
    assert len(batches) < 64
    assert len(await stores[0].keys()) == len(await stores[1].keys()) == 32
    await backend.close()


async def test_expired_values_leave_the_file(root: Path, clock: FakeClock) -> None:
    backend = opened(root, clock)
    store = backend.namespace("n")
    for number in range(6):
        await store.put(f"s{number}", b"session", ttl=10)
    await store.put("later", b"session", ttl=100)
    clock.advance(10)
    await store.put("kept", b"")
    assert list(json.loads((root / "n").read_bytes())) == ["later", "kept"]
    await store.put("kept", b"")
    await backend.close()
    assert list(json.loads((root / ".attestack" / "expiry" / "n").read_bytes())) == ["later"]


async def test_a_value_that_another_program_wrote_over_does_not_expire(root: Path, clock: FakeClock) -> None:
    backend = opened(root, clock)
    store = backend.namespace("n")
    await store.put("key", b"ours", ttl=10)
    (root / "n").write_bytes(compact_json({"key": encode_value(b"theirs")}))
    clock.advance(10)
    assert await store.get("key") == b"theirs"
    assert await store.keys() == ["key"]
    await store.put("other", b"")
    assert await store.get("key") == b"theirs"
    await backend.close()
    assert (root / ".attestack" / "expiry" / "n").read_bytes() == b"{}"


NOTES = {
    "empty": b"",
    "junk": b"junk",
    "list": b"[]",
    "number": b'{"key":1}',
    "digest": b'{"key":{"AB":1}}',
    "upper": b'{"key":{"' + b"A" * 64 + b'":1}}',
    "text": b'{"key":{"' + b"a" * 64 + b'":"1"}}',
    "truth": b'{"key":{"' + b"a" * 64 + b'":true}}',
    "negative": b'{"key":{"' + b"a" * 64 + b'":-1}}',
    "late": b'{"key":{"' + b"a" * 64 + b'":9223372036854775808}}',
}


@pytest.mark.parametrize("notes", NOTES.values(), ids=NOTES.keys())
async def test_damaged_times_stop_the_namespace(root: Path, notes: bytes) -> None:
    backend = opened(root)
    store = backend.namespace("n")
    await store.put("key", b"one", ttl=10)
    before = (root / "n").read_bytes()
    path = root / ".attestack" / "expiry" / "n"
    path.write_bytes(notes)
    for use in (store.get("key"), store.put("key", b"x"), store.keys(), store.delete("key")):
        with pytest.raises(StorageCorruptError, match="which says when values expire, is damaged") as caught:
            await use
        assert caught.value.code == "STORAGE-CORRUPT"
    assert (root / "n").read_bytes() == before
    assert path.read_bytes() == notes
    path.unlink()
    assert await store.get("key") == b"one"
    await backend.close()


def changing(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Let the times of expiry look different for the first so many looks."""
    real, looks = stamp_at, iter(range(times))

    def changed(path: str) -> Any:
        return (0, 0, 0, 0, 0) if next(looks, None) is not None else real(path)

    monkeypatch.setattr(local_json_namespace, "stamp_at", changed)


async def test_a_file_that_keeps_changing_is_read_with_the_lock(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "n").write_bytes(b'{"key":"YQ=="}')
    backend = opened(root)
    store = backend.namespace("n")
    changing(monkeypatch, 2)
    assert await store.get("key") == b"a"
    changing(monkeypatch, 7)  # three without the lock here, three on the worker, one with the lock
    assert await store.get("key") == b"a"
    changing(monkeypatch, 3)
    assert await store.keys() == ["key"]
    await backend.close()


async def test_a_file_that_changes_even_under_the_lock_is_given_up(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "n").write_bytes(b'{"key":"YQ=="}')
    backend = opened(root)
    store = backend.namespace("n")
    changing(monkeypatch, 1000)
    for use in (store.get("key"), store.put("key", b"x"), store.keys()):
        with pytest.raises(StorageTimeoutError, match="changed each time that it was read") as caught:
            await use
        assert caught.value.code == "STORAGE-TIMEOUT"
    assert (root / "n").read_bytes() == b'{"key":"YQ=="}'
    await backend.close()


State = tuple[bytes, int | None]
"""A value and its time to live."""


def change(namespace: Namespace, state: State | None) -> None:
    """Put or delete `key`, beside a value that must stay what it is."""
    if state is None:
        write = Write(namespace, "delete", "key", lambda draft: draft.delete("key"))
    else:
        value, ttl = state
        expires = None if ttl is None else int((namespace._clock().timestamp() + ttl) * 1_000_000)
        write = Write(namespace, "set", "key", lambda draft: draft.put("key", value, expires))
    job = Job(write, None)  # type: ignore[arg-type]  # nobody waits for it
    namespace.commit([job])
    assert job.error is None


def timeline(root: Path, start: FakeClock) -> list[bytes | None]:
    """What a new process reads at once, after the old value's time, and after the new value's time."""
    clock = FakeClock()
    clock.now = start.now
    seen = []
    for seconds in (0, 5, 5):
        clock.advance(seconds)
        namespace = Namespace(str(root), "n", clock=clock, lock_wait=1)
        assert namespace.read_waiting("other") == b"untouched"
        seen.append(namespace.read_waiting("key"))
    return seen


@pytest.mark.parametrize("old", [None, (b"old", None), (b"old", 5)], ids=["absent", "kept", "mortal"])
@pytest.mark.parametrize(
    "new",
    [None, (b"new", None), (b"new", 10), (b"old", None), (b"old", 10)],
    ids=["deleted", "k", "m", "same-k", "same-m"],
)
@pytest.mark.parametrize("before", ["fresh", "after a crash"])
def test_a_crash_leaves_the_old_state_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: State | None, new: State | None, before: str
) -> None:
    def prepared(name: str) -> tuple[Path, Namespace, FakeClock]:
        root, clock = tmp_path / name, FakeClock()
        root.mkdir()
        (root / "n").write_bytes(compact_json({"other": encode_value(b"untouched")}))
        namespace = Namespace(str(root), "n", clock=clock, lock_wait=1)
        change(namespace, old)
        if before == "after a crash":  # the times of a write that never came to its end
            path = root / ".attestack" / "expiry" / "n"
            notes = json.loads(path.read_bytes()) if path.exists() else {}
            notes.setdefault("key", {})[digest(encode_value(b"new"))] = int((clock().timestamp() + 5) * 1_000_000)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(compact_json(notes))
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
                assert step > 3 or old is new is None
                return
    raise AssertionError("the write never came to its end")
