"""The machine's clock."""

from __future__ import annotations

from datetime import UTC, datetime

from attestack_common.clock import system_clock


def test_the_system_clock_is_aware_and_in_utc() -> None:
    before, now, after = datetime.now(UTC), system_clock(), datetime.now(UTC)
    assert now.tzinfo is UTC
    assert before <= now <= after
