"""In CI a skip is a failure; elsewhere it is a skip."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SKIPPED = "import pytest\n\ndef test_tool() -> None:\n    pytest.skip('no such tool')\n"
WHOLE_MODULE = "import pytest\n\npytest.skip('no such vector', allow_module_level=True)\n"
EXPECTED_FAILURE = "import pytest\n\n@pytest.mark.xfail\ndef test_known() -> None:\n    assert False\n"
PASSING = "def test_good() -> None:\n    pass\n"


def run(folder: Path, *options: str, ci: str | None) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key not in {"CI", "PYTEST_XDIST_WORKER"}}
    if ci is not None:
        environment["CI"] = ci
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.skip_rule", "-p", "no:cacheprovider", *options]
    return subprocess.run(
        [*command, "--rootdir", str(folder), str(folder)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.parametrize("options", [(), ("-n", "2")])
@pytest.mark.parametrize(("text", "reason"), [(SKIPPED, "no such tool"), (WHOLE_MODULE, "no such vector")])
def test_a_skip_fails_the_run_in_ci_and_is_named(
    tmp_path: Path, options: tuple[str, ...], text: str, reason: str
) -> None:
    (tmp_path / "test_skips.py").write_text(text)
    (tmp_path / "test_passes.py").write_text(PASSING)
    done = run(tmp_path, *options, ci="true")
    assert done.returncode == 1, done.stdout
    assert "skipped in CI, where nothing may be skipped" in done.stdout
    assert "test_skips.py" in done.stdout
    assert reason in done.stdout
    assert "1 passed, 1 skipped" in done.stdout.splitlines()[-1]


def test_a_skip_is_a_skip_on_a_developers_machine(tmp_path: Path) -> None:
    (tmp_path / "test_skips.py").write_text(SKIPPED)
    assert run(tmp_path, ci=None).returncode == 0
    assert run(tmp_path, ci="false").returncode == 0


def test_an_expected_failure_is_no_skip(tmp_path: Path) -> None:
    (tmp_path / "test_known.py").write_text(EXPECTED_FAILURE)
    assert run(tmp_path, ci="true").returncode == 0


def test_a_run_without_skips_passes_in_ci(tmp_path: Path) -> None:
    (tmp_path / "test_passes.py").write_text(PASSING)
    assert run(tmp_path, ci="true").returncode == 0
