"""The commit of the installed distribution: what the installer recorded, or `unknown`."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING

import pytest
from attestack_common.version import commit

if TYPE_CHECKING:
    from pathlib import Path

COMMIT = "591b67c3682daeb1591b67c3682daeb1591b67c3"


@pytest.mark.parametrize(
    ("record", "found"),
    [
        (f'{{"url": "https://example.org/a.git", "vcs_info": {{"vcs": "git", "commit_id": "{COMMIT}"}}}}', COMMIT),
        ('{"url": "file:///a", "dir_info": {"editable": true}}', "unknown"),
        ('{"vcs_info": {"commit_id": 1}}', "unknown"),
        ('{"vcs_info": []}', "unknown"),
        ("[]", "unknown"),
        ("{", "unknown"),
        (None, "unknown"),
    ],
)
def test_the_commit_is_what_the_installer_recorded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, record: str | None, found: str
) -> None:
    if record is not None:
        (tmp_path / "direct_url.json").write_text(record)
    monkeypatch.setattr(importlib.metadata, "distribution", lambda _: importlib.metadata.Distribution.at(tmp_path))
    assert commit() == found
