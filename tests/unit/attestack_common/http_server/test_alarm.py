"""A deadline that moves: it rings once, when the last one that was set has passed, and moves its timer seldom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from attestack_common.http_server.alarm import Alarm

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


class Clock:
    """A loop of which only the time moves, when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.started = 0

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> Any:
        entry = (when, callback)
        self.timers.append(entry)
        self.started += 1
        timers = self.timers

        class Handle:
            def cancel(self) -> None:
                timers.remove(entry)

        return Handle()

    def pass_to(self, moment: float) -> None:
        self.now = moment
        for entry in [entry for entry in self.timers if entry[0] <= moment]:
            self.timers.remove(entry)
            entry[1]()


def alarm() -> tuple[Clock, Alarm, list[float]]:
    clock, rung = Clock(), list[float]()
    return clock, Alarm(cast("asyncio.AbstractEventLoop", clock), lambda: rung.append(clock.now)), rung


def test_it_rings_once_when_its_time_has_come() -> None:
    clock, deadline, rung = alarm()
    deadline.set(5)
    clock.pass_to(104.9)
    assert rung == []
    clock.pass_to(105)
    clock.pass_to(200)
    assert (rung, clock.timers) == ([105], [])


def test_a_deadline_that_moves_away_leaves_the_timer_where_it_is() -> None:
    clock, deadline, rung = alarm()
    for moment in range(100, 105):
        clock.now = moment
        deadline.set(5)
    assert clock.started == 1
    clock.pass_to(105)
    assert (rung, clock.timers[0][0]) == ([], 109)
    clock.pass_to(109)
    assert (rung, clock.started) == ([109], 2)


def test_a_deadline_that_comes_nearer_takes_the_timer_along() -> None:
    clock, deadline, rung = alarm()
    deadline.set(30)
    deadline.set(5)
    assert [when for when, _ in clock.timers] == [105]
    clock.pass_to(105)
    assert rung == [105]


def test_one_that_is_cleared_does_not_ring_and_can_be_set_again() -> None:
    clock, deadline, rung = alarm()
    deadline.set(5)
    deadline.clear()
    clock.pass_to(105)
    assert (rung, clock.timers) == ([], [])
    deadline.set(5)
    clock.pass_to(110)
    assert rung == [110]


def test_at_the_end_no_timer_is_left() -> None:
    clock, deadline, rung = alarm()
    deadline.set(5)
    deadline.end()
    deadline.end()
    assert clock.timers == []
    clock.pass_to(200)
    assert rung == []
