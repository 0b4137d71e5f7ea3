"""A deadline that is moved with every request and hardly ever reached.

Setting and cancelling a timer costs more than all else that a connection does between two requests. So the timer stays
where it is when the deadline moves away from it; when it rings too early, it is set again.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


class Alarm:
    """At most one deadline; `ring` is called once when it has passed."""

    __slots__ = ("_deadline", "_loop", "_ring", "_timer", "_timer_at")

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._deadline = inf
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf

    def set(self, seconds: float) -> None:
        """Put the deadline this far from now, in place of any other."""
        self._deadline = self._loop.time() + seconds
        if self._deadline < self._timer_at:
            self._start_timer()

    def clear(self) -> None:
        """Have no deadline until the next is set."""
        self._deadline = inf

    def end(self) -> None:
        """Have none any more, and no timer either."""
        self._deadline = inf
        self._stop_timer()

    def _start_timer(self) -> None:
        self._stop_timer()
        self._timer_at = self._deadline
        self._timer = self._loop.call_at(self._deadline, self._rings)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = None, inf

    def _rings(self) -> None:
        self._timer, self._timer_at = None, inf
        if self._deadline == inf:
            return
        if self._loop.time() < self._deadline:
            self._start_timer()
            return
        self._deadline = inf
        self._ring()
