"""Vectors: found by the manifest, checked against it, and never silently missing."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from tests.conformance import vectors
from tests.conformance.vectors import HERE, manifest, vector

NAME = "tpm/tpm_evidence.json"


@pytest.fixture
def only_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of vectors of the test's own, and no other."""
    monkeypatch.setenv("ATTESTACK_VECTORS", str(tmp_path / "vectors"))
    monkeypatch.setattr(vectors, "ROOT", tmp_path / "nowhere" / "project")
    (tmp_path / "vectors" / "tpm").mkdir(parents=True)
    return tmp_path / "vectors"


def test_every_entry_names_its_origin_whole() -> None:
    for relative, origin in manifest().items():
        assert re.fullmatch(r"[0-9a-f]{64}", origin["sha256"]), relative
        named = [origin[member] is not None for member in ("repository", "commit", "path")]
        assert all(named) or (not any(named) and "note" in origin), relative
        assert ".." not in Path(relative).parts, relative


def test_a_vector_that_is_committed_is_found_everywhere(only_here: Path) -> None:
    assert only_here.is_dir()
    assert vector("snp/seed/evidence.json") == HERE / "snp" / "seed" / "evidence.json"


def test_a_vector_is_found_in_the_named_folder(only_here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"{}"
    entry = dict(manifest()[NAME]) | {"sha256": hashlib.sha256(data).hexdigest()}
    monkeypatch.setattr(vectors, "manifest", lambda: {NAME: entry})
    (only_here / NAME).write_bytes(data)
    assert vector(NAME) == only_here / NAME


def test_a_vector_beside_the_project_is_found(only_here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside = only_here.parent / "nowhere" / "shared" / "vectors" / NAME
    beside.parent.mkdir(parents=True)
    beside.write_bytes(b"[]")
    entry = dict(manifest()[NAME]) | {"sha256": hashlib.sha256(b"[]").hexdigest()}
    monkeypatch.setattr(vectors, "manifest", lambda: {NAME: entry})
    assert vector(NAME) == beside


def test_a_vector_in_the_cache_is_found(only_here: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert only_here.is_dir()
    monkeypatch.delenv("ATTESTACK_VECTORS")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    cached = tmp_path / "caches" / "attestack" / "vectors" / NAME
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"[]")
    entry = dict(manifest()[NAME]) | {"sha256": hashlib.sha256(b"[]").hexdigest()}
    monkeypatch.setattr(vectors, "manifest", lambda: {NAME: entry})
    assert vector(NAME) == cached


@pytest.mark.parametrize("caches", ["", "relative"])
def test_a_cache_is_below_the_home_where_no_other_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caches: str
) -> None:
    monkeypatch.delenv("ATTESTACK_VECTORS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", caches)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert vectors.cache_folder() == tmp_path / ".cache" / "attestack" / "vectors"
    assert vectors.folders()[-1] == vectors.cache_folder()


def test_a_vector_that_differs_from_the_manifest_fails(only_here: Path) -> None:
    (only_here / NAME).write_bytes(b"tampered")
    with pytest.raises(pytest.fail.Exception, match="the manifest says"):
        vector(NAME)


def test_an_absent_vector_skips_by_name(only_here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    assert only_here.is_dir()
    with pytest.raises(pytest.skip.Exception, match=rf"vector {NAME} .* is absent"):
        vector(NAME)


def test_an_absent_vector_fails_in_ci(only_here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    assert only_here.is_dir()
    with pytest.raises(pytest.fail.Exception, match=rf"vector {NAME} .* is absent"):
        vector(NAME)


def test_a_name_that_is_not_in_the_manifest_fails() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"no/such is not in manifest\.json"):
        vector("no/such")


@pytest.mark.vectors
@pytest.mark.parametrize("relative", sorted(json.loads(vectors.MANIFEST.read_text())))
def test_the_files_on_this_machine_are_those_of_the_manifest(relative: str) -> None:
    assert vector(relative).is_file()
