"""What every test of the project shares.

Tests run in random order (pytest-randomly) and in parallel (pytest-xdist), each on an event loop of its own; none may
count on what another left behind. Properties are tried without a time limit for one example: the machine may be busy.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

pytest_plugins = ("tests.skip_rule",)

settings.register_profile("attestack", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("attestack")
