"""A pytest plugin: in CI (the environment has CI=true) a skipped test is a failed run.

On a developer's machine a test may skip for a tool or vector that is not there. In CI everything is there, or the
machine is not what the project thinks it is; so the run fails, and names the tests. An expected failure is no skip.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_RULE: Final = "attestack-skip-rule"


class SkipRule:
    """Collects what was skipped, over all workers, and fails the run for it."""

    def __init__(self) -> None:
        self.skipped: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skipped[report.nodeid] = _reason(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self.skipped[report.nodeid] = _reason(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.skipped and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(wrapper=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
        yield
        if self.skipped:
            terminalreporter.section("skipped in CI, where nothing may be skipped", red=True, bold=True)
            for name, reason in sorted(self.skipped.items()):
                terminalreporter.write_line(f"{name}: {reason}", red=True)


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    return str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else str(report.longrepr)


def pytest_configure(config: pytest.Config) -> None:
    """Switch the rule on in the process that sees every report: not in a pytest-xdist worker."""
    if os.environ.get("CI") == "true" and not hasattr(config, "workerinput"):
        config.pluginmanager.register(SkipRule(), _RULE)
