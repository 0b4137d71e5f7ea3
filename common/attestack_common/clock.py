"""The clock, as a parameter: what decides by time takes one, so that tests can set it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Something that knows the time."""

    def __call__(self) -> datetime:
        """Return the current time, aware, in UTC."""
        ...


def system_clock() -> datetime:
    """Return the machine's time, aware, in UTC."""
    return datetime.now(UTC)
