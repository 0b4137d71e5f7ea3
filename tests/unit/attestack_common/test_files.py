"""Private files are replaced whole; reads are bounded."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest
from attestack_common.errors import ConfigError
from attestack_common.files import read_bounded, write_private

if TYPE_CHECKING:
    from pathlib import Path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_private_file_has_mode_0600_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_private(tmp_path / "key", b"secret")
    finally:
        os.umask(before)
    assert (tmp_path / "key").read_bytes() == b"secret"
    assert mode(tmp_path / "key") == 0o600


def test_replacing_takes_the_old_mode_away_and_leaves_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"old")
    (tmp_path / "key").chmod(0o644)
    write_private(tmp_path / "key", b"new")
    assert (tmp_path / "key").read_bytes() == b"new"
    assert mode(tmp_path / "key") == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_a_symbolic_link_is_replaced_and_its_target_kept(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"theirs")
    (tmp_path / "key").symlink_to(tmp_path / "target")
    write_private(tmp_path / "key", b"ours")
    assert (tmp_path / "target").read_bytes() == b"theirs"
    assert not (tmp_path / "key").is_symlink()


def test_a_failed_write_leaves_the_old_file_and_no_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_private(tmp_path / "key", b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_private(tmp_path / "key", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
    assert (tmp_path / "key").read_bytes() == b"old"


def test_the_file_and_its_directory_are_flushed_before_the_call_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    real = os.fsync

    def spy(descriptor: int) -> None:
        flushed.append("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", spy)
    write_private(tmp_path / "key", b"x")
    assert flushed == ["file", "directory"]


def test_exactly_the_limit_can_be_read_and_one_byte_more_cannot(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"12345")
    assert read_bounded(tmp_path / "f", 5) == b"12345"
    with pytest.raises(ConfigError, match=r"f: larger than the limit of 4 bytes \[FILE-SIZE\]"):
        read_bounded(tmp_path / "f", 4)


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing: cannot be read: No such file or directory \[FILE-READ\]"):
        read_bounded(tmp_path / "nothing", 10)
    with pytest.raises(ConfigError, match=r"Is a directory \[FILE-READ\]"):
        read_bounded(str(tmp_path), 10)


def test_an_endless_file_is_refused_after_the_limit() -> None:
    with pytest.raises(ConfigError) as refused:
        read_bounded("/dev/zero", 1000)
    assert refused.value.code == "FILE-SIZE"
