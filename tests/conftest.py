"""What every test of the project shares.

Tests run in random order (pytest-randomly) and in parallel (pytest-xdist), each on an event loop of its own; none may
count on what another left behind. Properties are tried without a time limit for one example: the machine may be busy.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ("tests.skip_rule",)

settings.register_profile("attestack", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("attestack")


@pytest.fixture(autouse=True)
def _log_of_one_test() -> Iterator[None]:
    """Take back what a test did to the process's log, so that the next one finds it as it is at the start."""
    yield
    root = logging.getLogger()
    added = [handler for handler in root.handlers if type(handler).__module__ == "attestack_common.logs.logger"]
    if added:
        root.handlers[:] = [handler for handler in root.handlers if handler not in added]
        root.setLevel(logging.WARNING)
        for logger in list(logging.Logger.manager.loggerDict.values()):
            if isinstance(logger, logging.Logger):
                logger.setLevel(logging.NOTSET)
