"""Operations on a LocalFs namespace that are done together: each for itself, one wait for many, whole after a crash."""

from __future__ import annotations

import errno
import fcntl
import itertools
import logging
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from trustee_core.storage.contract import StorageCorruptError, StorageError, StorageTimeoutError
from trustee_core.storage.gathered import Write, perform
from trustee_core.storage.local_fs_batch import MAX_ROUND, MAX_ROUND_SIZE, rounds
from trustee_core.storage.local_fs_namespace import Namespace
from trustee_core.storage.local_fs_notes import MAX_LINES
from trustee_core.storage.worker import Job

from tests.unit.trustee_core.storage.conftest import FakeClock, logged
from tests.unit.trustee_core.storage.crashes import Crash, crash_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return made(tmp_path / "fs")


@pytest.fixture
def namespace(root: Path, clock: FakeClock) -> Namespace:
    return opened(root, clock)


def made(root: Path) -> Path:
    root.mkdir()
    return root


def opened(root: Path, clock: FakeClock, lock_wait: float = 1) -> Namespace:
    namespace = Namespace(str(root), "n", clock=clock, lock_wait=lock_wait)
    namespace.make()
    return namespace


def end(namespace: Namespace, ttl: int | None) -> int | None:
    return None if ttl is None else namespace.now() + ttl * 1_000_000


def put(namespace: Namespace, key: str, value: bytes, ttl: int | None = None) -> Write:
    expires = end(namespace, ttl)
    return Write(namespace, "set", key, lambda change: change.put(value, expires), len(value))


def claim(namespace: Namespace, key: str, value: bytes, ttl: int | None = 300) -> Write:
    return swap(namespace, key, None, value, ttl)


def swap(namespace: Namespace, key: str, expected: bytes | None, value: bytes, ttl: int | None = None) -> Write:
    expires = end(namespace, ttl)
    return Write(namespace, "set", key, lambda change: change.compare_and_set(expected, value, expires), len(value))


def delete(namespace: Namespace, key: str) -> Write:
    return Write(namespace, "delete", key, lambda change: change.delete())


def batch(operations: Iterable[Callable[..., Any]]) -> list[Job]:
    return [Job(operation, None) for operation in operations]  # type: ignore[arg-type]  # nobody waits for them


def done(*operations: Write) -> list[Any]:
    """Do a batch in this thread: what each caller is told, be it an error."""
    jobs = batch(operations)
    perform(jobs)
    assert all((job.outcome is None) == (job.error is not None) for job in jobs)
    return [job.outcome if job.error is None else job.error for job in jobs]


def note_of(root: Path, key: str) -> Path:
    return root / ".attestack" / "expiry" / "n" / key


def left_beside(root: Path) -> list[str]:
    return sorted(path.name for path in (root / ".attestack" / "tmp").iterdir())


def failing(
    monkeypatch: pytest.MonkeyPatch, call: str, when: Callable[..., bool], number: int = errno.ENOSPC
) -> pytest.MonkeyPatch:
    """Let a call of the operating system fail, where `when` says so of its arguments."""
    real = getattr(os, call)

    def fail_or_do(*args: Any, **kwargs: Any) -> Any:
        if when(*args, **kwargs):
            raise OSError(number, os.strerror(number))
        return real(*args, **kwargs)

    monkeypatch.setattr(os, call, fail_or_do)
    return monkeypatch


def is_folder(file: int) -> bool:
    return stat.S_ISDIR(os.fstat(file).st_mode)


def content(file: int) -> bytes:
    return Path(f"/proc/self/fd/{file}").read_bytes() if not is_folder(file) else b""


def test_each_operation_of_a_batch_gets_its_own_answer(root: Path, namespace: Namespace) -> None:
    done(put(namespace, "old", b"1"), put(namespace, "gone", b"2", 10))
    answers = done(
        claim(namespace, "new", b"3"),
        claim(namespace, "old", b"4"),
        swap(namespace, "old", b"1", b"5"),
        delete(namespace, "gone"),
        delete(namespace, "never"),
        put(namespace, "other", b"6", 10),
    )
    assert answers == [True, False, True, True, False, True]
    assert {key: namespace.read_waiting(key) for key in namespace.keys("")} == {"new": b"3", "old": b"5", "other": b"6"}
    assert left_beside(root) == []


def test_of_claims_to_one_key_in_one_batch_the_first_wins(namespace: Namespace) -> None:
    claims = [claim(namespace, "nonce", str(n).encode()) for n in range(20)]
    others = [claim(namespace, f"other{n}", b"x") for n in range(20)]
    answers = done(*itertools.chain.from_iterable(zip(claims, others, strict=True)))
    assert answers == [True, True] + [False, True] * 19
    assert namespace.read_waiting("nonce") == b"0"


def test_operations_on_one_key_are_done_in_their_order(namespace: Namespace) -> None:
    answers = done(
        put(namespace, "key", b"1", 10),
        swap(namespace, "key", b"1", b"2"),
        claim(namespace, "key", b"3"),
        delete(namespace, "key"),
        swap(namespace, "key", b"2", b"4"),
        claim(namespace, "key", b"5"),
    )
    assert answers == [True, True, False, True, False, True]
    assert namespace.read_waiting("key") == b"5"


def test_a_batch_is_parted_by_keys_number_and_size(namespace: Namespace) -> None:
    def keys(operations: Sequence[Write]) -> list[list[str]]:
        return [[job.call.key for job in some] for some in rounds(batch(operations))]  # type: ignore[attr-defined]

    many = [claim(namespace, f"k{n}", b"") for n in range(MAX_ROUND + 1)]
    assert [len(some) for some in rounds(batch(many))] == [MAX_ROUND, 1]
    same = [claim(namespace, key, b"") for key in "aabac"]
    assert keys(same) == [["a", "b", "c"], ["a"], ["a"]]
    large = b"x" * (MAX_ROUND_SIZE // 2 + 1)
    assert keys([put(namespace, key, large) for key in "abac"]) == [["a", "b"], ["a", "c"]]


def test_reads_come_after_the_writes_of_each_namespace(root: Path, clock: FakeClock, namespace: Namespace) -> None:
    other = Namespace(str(root), "other", clock=clock, lock_wait=1)
    jobs = batch([lambda: namespace.keys(""), put(namespace, "a", b""), put(other, "b", b""), lambda: other.keys("")])
    perform(jobs)
    assert [job.outcome for job in jobs] == [["a"], True, True, ["b"]]


def test_many_operations_share_the_waits_for_the_disk(
    root: Path, namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    done(claim(namespace, "first", b"makes the folders"))
    steps: list[str] = []
    real = {call: getattr(os, call) for call in ("fsync", "link", "rename", "unlink", "write")}

    def recorded(call: str) -> Callable[..., Any]:
        def do(*args: Any, **kwargs: Any) -> Any:
            steps.append(f"{call} folder" if call == "fsync" and is_folder(args[0]) else call)
            return real[call](*args, **kwargs)

        return do

    with monkeypatch.context() as patch:
        for call in real:
            patch.setattr(os, call, recorded(call))
        assert done(*(claim(namespace, f"k{n}", b"v%d" % n) for n in range(MAX_LINES))) == [True] * MAX_LINES
    written = MAX_LINES + 1  # the values, and one file with all the notes
    assert steps == [
        *["write"] * written,
        *["fsync"] * written,
        *["link"] * MAX_LINES,
        "fsync folder",
        *["link"] * MAX_LINES,
        "fsync folder",
        *["unlink"] * written,
    ]
    assert left_beside(root) == []


def test_values_that_are_written_together_share_a_note_and_expire_each_for_itself(
    root: Path, clock: FakeClock, namespace: Namespace
) -> None:
    done(*(claim(namespace, f"k{n}", b"v%d" % n, ttl=10 + n) for n in range(3)))
    assert [note_of(root, f"k{n}").stat().st_nlink for n in range(3)] == [3, 3, 3]
    assert note_of(root, "k0").read_bytes().count(b"\n") == 3
    clock.advance(11)
    assert namespace.keys("") == ["k2"]
    assert [namespace.read_waiting(f"k{n}") for n in range(3)] == [None, None, b"v2"]
    done(put(namespace, "k2", b"again", 5))
    assert note_of(root, "k2").read_bytes().count(b"\n") == 1
    assert note_of(root, "k2").stat().st_nlink == 1
    clock.advance(4)
    assert namespace.read_waiting("k2") == b"again"
    clock.advance(1)
    assert namespace.read_waiting("k2") is None


def test_a_value_that_expired_goes_although_its_note_speaks_of_others(
    root: Path, clock: FakeClock, namespace: Namespace
) -> None:
    done(claim(namespace, "short", b"1", ttl=10), claim(namespace, "long", b"2", ttl=1000))
    clock.advance(10)
    done(put(namespace, "other", b""))
    assert sorted(path.name for path in (root / "n").iterdir()) == ["long", "other"]
    assert [path.name for path in note_of(root, "").iterdir()] == ["long"]
    assert namespace.read_waiting("long") == b"2"


def test_equal_values_that_expire_at_different_times_do_not_share_a_note(
    clock: FakeClock, namespace: Namespace
) -> None:
    done(claim(namespace, "short", b"same", ttl=10), claim(namespace, "long", b"same", ttl=20))
    clock.advance(10)
    assert namespace.keys("") == ["long"]


def test_a_note_that_nobody_needs_does_not_stand_in_the_way(root: Path, namespace: Namespace) -> None:
    done(claim(namespace, "key", b"1", ttl=10))
    (root / "n" / "key").unlink()  # what a crash between the note and the value leaves
    assert done(claim(namespace, "key", b"2", ttl=20), claim(namespace, "new", b"3", ttl=20)) == [True, True]
    assert note_of(root, "key").read_bytes().count(b"\n") == 1
    (root / "n" / "key").unlink()
    assert done(claim(namespace, "key", b"2", ttl=None)) == [True]
    assert not note_of(root, "key").exists()
    assert namespace.read_waiting("key") == b"2"


def test_a_note_never_gets_more_lines_than_it_may_have(root: Path, clock: FakeClock, namespace: Namespace) -> None:
    done(*(claim(namespace, f"k{n}", b"v%d" % n, ttl=10) for n in range(MAX_LINES)))
    lines = note_of(root, "k1").read_bytes().splitlines(keepends=True)
    real_rename, notes = os.rename, []

    def seen(source: str, name: str, **folders: int) -> None:
        real_rename(source, name, **folders)
        notes.append(note_of(root, "k1").read_bytes())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "rename", seen)
        done(put(namespace, "k1", b"new", 20))
    assert notes[0].splitlines(keepends=True)[1:] == [lines[1]]
    assert notes[-1].count(b"\n") == 1
    clock.advance(19)
    assert namespace.read_waiting("k1") == b"new"
    note_of(root, "k1").write_bytes(b"".join(lines))
    (root / "n" / "k1").unlink()
    (root / "n" / "k1").symlink_to("/etc/passwd")  # not to be read, so that no line can be told from the others
    done(put(namespace, "k1", b"new", 20))
    assert namespace.read_waiting("k1") == b"new"


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_write_that_fails_leaves_the_others_of_its_batch_alone(
    root: Path, namespace: Namespace, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def is_bad(file: int, *data: bytes) -> bool:
        return bytes(data[0] if data else content(file)) == b"bad"

    with monkeypatch.context() as patch:
        failing(patch, call, is_bad)
        answers = done(*(claim(namespace, key, key.encode()) for key in ("one", "bad", "two")))
    assert answers[::2] == [True, True]
    assert isinstance(answers[1], StorageError)
    assert answers[1].code == "STORAGE-IO"
    assert answers[1].message == "failed to set key `bad`: No space left on device"
    assert namespace.keys("") == ["one", "two"]
    assert namespace.read_waiting("bad") is None
    assert done(claim(namespace, "bad", b"bad")) == [True]
    assert left_beside(root) == []


def test_what_cannot_be_replaced_or_read_leaves_the_others_alone(root: Path, namespace: Namespace) -> None:
    (root / "n" / "folder").mkdir()
    (root / "n" / "link").symlink_to("/etc/passwd")
    answers = done(
        put(namespace, "folder", b"x"), claim(namespace, "good", b"x"), claim(namespace, "link", b"x", ttl=None)
    )
    assert answers[1] is True
    assert answers[0].code == "STORAGE-IO"
    assert isinstance(answers[2], StorageCorruptError)


def test_a_note_that_cannot_be_written_fails_for_those_who_share_it(
    root: Path, namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    done(put(namespace, "old", b"old", 10))
    with monkeypatch.context() as patch:
        failing(patch, "write", lambda _, data: bytes(data).endswith(b"\n"))
        answers = done(
            claim(namespace, "a", b"a"),
            claim(namespace, "b", b"b"),
            put(namespace, "old", b"new", 20),
            claim(namespace, "kept", b"c", ttl=None),
        )
    assert [getattr(answer, "code", answer) for answer in answers] == ["STORAGE-IO"] * 3 + [True]
    assert namespace.keys("") == ["kept", "old"]
    assert namespace.read_waiting("old") == b"old"
    done(put(namespace, "next", b""))
    assert left_beside(root) == []


@pytest.mark.parametrize("folder", ["n", ".attestack/expiry/n"])
def test_a_folder_that_does_not_get_to_the_disk_fails_for_all_who_changed_it(
    root: Path, namespace: Namespace, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    done(claim(namespace, "first", b"first"))
    number = (root / folder).stat().st_ino
    with monkeypatch.context() as patch:
        failing(patch, "fsync", lambda file: os.fstat(file).st_ino == number, errno.EIO)
        answers = done(claim(namespace, "a", b"a"), claim(namespace, "first", b"b"), claim(namespace, "c", b"c"))
    assert [getattr(answer, "code", answer) for answer in answers] == ["STORAGE-IO", False, "STORAGE-IO"]
    assert namespace.read_waiting("first") == b"first"


def test_a_lock_that_is_held_fails_for_each_with_an_error_of_its_own(root: Path, clock: FakeClock) -> None:
    namespace = opened(root, clock, lock_wait=0.01)
    done(claim(namespace, "first", b""))
    with (root / ".attestack" / "lock" / "n").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        answers = done(claim(namespace, "a", b""), delete(namespace, "b"))
    assert [type(answer) for answer in answers] == [StorageTimeoutError] * 2
    assert done(claim(namespace, "a", b"")) == [True]


def test_a_lock_that_cannot_be_made_says_what_was_to_be_done(root: Path, namespace: Namespace) -> None:
    (root / ".attestack").write_bytes(b"")
    answers = done(claim(namespace, "a", b""), delete(namespace, "b"))
    assert [answer.message.split(":")[0] for answer in answers] == ["failed to set key `a`", "failed to delete key `b`"]


def test_a_value_that_changes_all_the_time_is_given_up(
    root: Path, namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    done(put(namespace, "key", b"one"))
    real_note = Namespace.note

    def changing(self: Namespace, name: str, folder: Any) -> Any:
        (root / "n" / "key").unlink(missing_ok=True)
        (root / "n" / "key").write_bytes(b"one")
        (root / "n" / "key").rename(root / "n" / "next")
        (root / "n" / "key").write_bytes(b"one")
        return real_note(self, name, folder)

    with monkeypatch.context() as patch:
        patch.setattr(Namespace, "note", changing)
        answers = done(swap(namespace, "key", b"one", b"two"), put(namespace, "other", b""))
    assert isinstance(answers[0], StorageTimeoutError)
    assert answers[0].message == "failed to get key `key`: it changed each time that it was read"
    assert answers[1] is True


@pytest.mark.parametrize("reason", [errno.EPERM, errno.EMLINK])
def test_without_hard_links_each_value_has_a_note_of_its_own(
    root: Path, clock: FakeClock, namespace: Namespace, monkeypatch: pytest.MonkeyPatch, reason: int
) -> None:
    failing(monkeypatch, "link", lambda *_, **__: True, reason)
    assert done(claim(namespace, "a", b"1", 10), claim(namespace, "b", b"2", 20)) == [True, True]
    assert [note_of(root, key).read_bytes().count(b"\n") for key in "ab"] == [1, 1]
    clock.advance(10)
    assert namespace.keys("") == ["b"]
    assert left_beside(root) == []


def test_without_hard_links_a_note_that_does_not_get_to_the_disk_fails_alone(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        failing(patch, "link", lambda *_, **__: True, errno.EPERM)
        lines = itertools.count()
        failing(patch, "fsync", lambda file: content(file).count(b"\n") == 1 and next(lines) == 0, errno.EIO)
        answers = done(claim(namespace, "a", b"1"), claim(namespace, "b", b"2"))
    assert answers[1] is True
    assert answers[0].code == "STORAGE-IO"
    assert namespace.keys("") == ["b"]


def test_what_a_dead_writer_left_beside_goes_with_the_first_write(root: Path, namespace: Namespace) -> None:
    beside = root / ".attestack" / "tmp"
    beside.mkdir(parents=True)
    for name in ("n", "n~1", "n~70", "n2", "n2~1"):
        (beside / name).write_bytes(b"left")
    done(put(namespace, "key", b"1"))
    assert left_beside(root) == ["n2", "n2~1"]
    os.link(root / "n" / "key", beside / "n")  # of a writer that dies now
    done(put(namespace, "other", b"2"))
    assert namespace.read_waiting("key") == b"1"
    assert left_beside(root) == ["n2", "n2~1"]


def test_what_is_being_written_is_not_swept(root: Path, clock: FakeClock, namespace: Namespace) -> None:
    done(claim(namespace, "key", b"old", ttl=10), claim(namespace, "other", b"old", ttl=10))
    clock.advance(10)
    assert done(put(namespace, "key", b"new", ttl=10)) == [True]
    assert namespace.read_waiting("key") == b"new"
    assert done(put(namespace, "last", b"")) == [True]
    assert sorted(path.name for path in (root / "n").iterdir()) == ["key", "last"]


def test_what_cannot_be_removed_stays_and_does_not_fail_the_write(
    root: Path,
    clock: FakeClock,
    namespace: Namespace,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    done(claim(namespace, "a", b"1", ttl=10), claim(namespace, "b", b"2", ttl=10))
    clock.advance(10)
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        failing(patch, "unlink", lambda name, **_: name == "a", errno.EACCES)
        assert done(put(namespace, "c", b"")) == [True]
    assert [line.split(" error=")[0] for line in logged(caplog)] == ["not swept namespace=n file=a"]
    assert sorted(path.name for path in (root / "n").iterdir()) == ["a", "c"]
    assert [path.name for path in note_of(root, "").iterdir()] == ["a"]
    clock.advance(1)
    done(put(namespace, "c", b""))
    assert [path.name for path in (root / "n").iterdir()] == ["c"]


def test_values_whose_removal_does_not_get_to_the_disk_keep_their_notes(
    root: Path, clock: FakeClock, namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    done(claim(namespace, "a", b"1", ttl=10), put(namespace, "kept", b""))
    clock.advance(10)
    number = (root / "n").stat().st_ino
    with monkeypatch.context() as patch:
        failing(patch, "fsync", lambda file: os.fstat(file).st_ino == number, errno.EIO)
        assert done(claim(namespace, "kept", b"")) == [False]  # which changes nothing itself
    assert note_of(root, "a").exists()
    clock.advance(1)
    done(claim(namespace, "kept", b""))
    assert not note_of(root, "a").exists()


def test_notes_that_cannot_be_listed_do_not_fail_the_write(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    done(put(namespace, "a", b""))
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(Namespace, "noted", lambda _: (_ for _ in ()).throw(OSError(errno.EIO, "broken")))
        fresh = Namespace(namespace._root, "n", clock=namespace._clock, lock_wait=1)
        assert done(put(fresh, "b", b"")) == [True]
    assert [line.split(" error=")[0] for line in logged(caplog)] == ["not swept namespace=n file="]


def test_what_another_process_wrote_is_swept_too(root: Path, clock: FakeClock, namespace: Namespace) -> None:
    done(put(namespace, "ours", b""))
    done(claim(opened(root, clock), "theirs", b"1", ttl=10))
    clock.advance(10)
    done(put(namespace, "ours", b""))
    assert [path.name for path in (root / "n").iterdir()] == ["ours"]


def prepared(folder: Path) -> tuple[Path, FakeClock, Namespace]:
    root, clock = made(folder), FakeClock()
    namespace = opened(root, clock)
    done(put(namespace, "expired", b"x", 1))
    clock.advance(1)
    done(
        put(namespace, "kept", b"old"),
        put(namespace, "mortal", b"old", 5),
        put(namespace, "gone", b"old", 5),
        put(namespace, "untouched", b"old", 5),
    )
    return root, clock, namespace


def change(namespace: Namespace) -> None:
    operations = [
        *(claim(namespace, f"new{n}", b"new%d" % n, 10) for n in range(MAX_LINES + 1)),
        put(namespace, "kept", b"new", 10),
        put(namespace, "mortal", b"new"),
        delete(namespace, "gone"),
        claim(namespace, "new0", b"late"),
    ]
    assert done(*operations) == [True] * (MAX_LINES + 4) + [False]


def timelines(root: Path, start: FakeClock) -> dict[str, list[bytes | None]]:
    clock = FakeClock()
    clock.now = start.now
    seen: dict[str, list[bytes | None]] = {}
    for seconds in (0, 5, 5):
        clock.advance(seconds)
        namespace = opened(root, clock)
        for key in (*(f"new{n}" for n in range(MAX_LINES + 1)), "kept", "mortal", "gone", "untouched", "expired"):
            seen.setdefault(key, []).append(namespace.read_waiting(key))
    return seen


def test_a_crash_in_a_batch_leaves_each_value_as_it_was_or_as_it_shall_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before each call that changes the disk; what was there expires after 5 s, what comes after 10 s."""
    root, clock, namespace = prepared(tmp_path / "done")
    before = timelines(root, clock)
    assert before["untouched"] == [b"old", None, None]
    assert before["expired"] == [None] * 3
    change(namespace)
    after = timelines(root, clock)
    assert after["new0"] == [b"new0", b"new0", None]
    assert after["mortal"] == [b"new"] * 3
    for step in range(200):
        root, clock, namespace = prepared(tmp_path / f"step{step}")
        with monkeypatch.context() as patch:
            crashed = crash_at(patch, step)
            try:
                change(namespace)
            except Crash:
                pass
            else:
                assert timelines(root, clock) == after
                assert step > 40
                return
        found = timelines(root, clock)
        assert all(found[key] in (before[key], after[key]) for key in before), crashed
        next_process = opened(root, clock)
        claimed = done(*(claim(next_process, f"new{n}", b"new%d" % n, 10) for n in range(MAX_LINES + 1)))
        assert claimed == [found[f"new{n}"][0] is None for n in range(MAX_LINES + 1)]
        assert left_beside(root) == []
        assert {key: timelines(root, clock)[key] for key in after if key.startswith("new")} == {
            key: after[key] for key in after if key.startswith("new")
        }
    raise AssertionError("the batch never came to its end")
