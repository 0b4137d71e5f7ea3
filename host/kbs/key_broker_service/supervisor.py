"""Keeps several worker processes running: the parent of a broker with `worker_count` above one.

The parent serves nothing and holds no key. It has bound the sockets before, forks, and then only waits for signals:

1. The first worker starts alone: it opens the stores and makes what the workers share. Where it cannot, it has said why
   and the program ends with its status. The others start when it serves.
2. A worker that ends is replaced: at once when it had lived for ten seconds, otherwise after a delay that doubles with
   each such end, from 0.1 to 30 seconds. What waits in the queue of a listening socket waits for the next worker.
3. SIGTERM, SIGINT and SIGHUP end all workers in the way `attestack_common.process` says; a second one kills them.
4. Workers are in process groups of their own, so that Ctrl-C reaches them once, through the parent. They end when the
   parent is gone, however it went: the pipe that only it holds open closes.

It forks from a process without threads and without an event loop. Signals are taken with `sigtimedwait`, so none is
handled in the middle of something else.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from attestack_common.logs import get_logger
from attestack_common.process import GRACE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

LONG_LIFE_SECONDS: Final = 10.0
FIRST_DELAY_SECONDS: Final = 0.1
LAST_DELAY_SECONDS: Final = 30.0

_LOG: Final = get_logger("kbs.workers")
_ENDING: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
_READY: Final = signal.SIGUSR1
_WATCHED: Final = _ENDING | {signal.SIGCHLD, _READY}
_MARGIN_SECONDS: Final = 2.0
_IN_ORDER: Final = (0, -signal.SIGTERM)
"""How a worker ends that was told to: by itself, or by the signal when it had only just been forked."""


@dataclass(frozen=True, slots=True)
class Worker:
    """What a worker knows of its place."""

    slot: int
    """Its number, from 0; the worker that replaces it has the same."""
    parent: int
    """The parent's process id."""
    lifeline: int
    """The file descriptor that reports the end of the parent."""

    def serving(self) -> None:
        """Tell the parent that this worker serves, and end with the parent from now on. In the event loop."""
        loop = asyncio.get_running_loop()

        def orphaned() -> None:
            loop.remove_reader(self.lifeline)
            os.kill(os.getpid(), signal.SIGTERM)

        loop.add_reader(self.lifeline, orphaned)
        if os.getppid() == self.parent:
            os.kill(self.parent, _READY)


@dataclass(frozen=True, slots=True)
class _Ended:
    """A worker that ended."""

    slot: int
    pid: int
    status: int
    """Negative when a signal ended it."""
    lived: float
    """In seconds."""


def delay(short_lives: int) -> float:
    """Return the seconds to wait before a worker is replaced that died young so many times in a row."""
    if short_lives == 0:
        return 0.0
    return float(min(LAST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2.0 ** min(short_lives - 1, 16)))


class Supervisor:
    """The parent. `start` runs a worker and leaves its process; it is called in the worker."""

    def __init__(self, count: int, start: Callable[[Worker], NoReturn]) -> None:
        self._count = count
        self._start = start
        self._born: dict[int, tuple[int, float]] = {}  # process id -> slot, time of birth
        self._due: dict[int, float] = {}  # slot -> when it is filled again
        self._short_lives = [0] * count
        self._readable, self._held = os.pipe()

    def run(self) -> int:
        """Keep the workers running until a signal comes; return the status of the program."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
        self._fork(0)
        serving = False
        while True:
            received = self._wait()
            if received in _ENDING:
                _LOG.info("ending", signal=signal.Signals(received).name, workers=len(self._born))
                return self._end()
            ended = self._reap()
            if not serving and ended:
                return ended[0].status or 1
            if not serving and received == _READY:
                serving = True
                self._due.update(dict.fromkeys(range(1, self._count), 0.0))
            for worker in ended:
                self._replace(worker)
            if serving:
                self._fill()

    def _wait(self) -> int | None:
        """Wait for a signal, or until a slot is due."""
        if not self._due:
            return signal.sigwaitinfo(_WATCHED).si_signo
        left = max(0.0, min(self._due.values()) - time.monotonic())
        received = signal.sigtimedwait(_WATCHED, left)
        return None if received is None else received.si_signo

    def _reap(self) -> list[_Ended]:
        """Take leave of the workers that ended."""
        ended: list[_Ended] = []
        while self._born:
            pid, raw = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            slot, born = self._born.pop(pid)
            ended.append(_Ended(slot, pid, os.waitstatus_to_exitcode(raw), time.monotonic() - born))
        return ended

    def _replace(self, worker: _Ended) -> None:
        """Say when the slot of a worker that ended is filled again."""
        short_lives = self._short_lives
        short_lives[worker.slot] = 0 if worker.lived >= LONG_LIFE_SECONDS else short_lives[worker.slot] + 1
        wait = delay(short_lives[worker.slot])
        self._due[worker.slot] = time.monotonic() + wait
        fields = {"worker": worker.slot, "worker_pid": worker.pid, "status": worker.status}
        _LOG.warning("a worker ended and is replaced", **fields, in_seconds=round(wait, 1))

    def _fill(self) -> None:
        now = time.monotonic()
        for slot in [slot for slot, when in self._due.items() if when <= now]:
            del self._due[slot]
            self._fork(slot)

    def _fork(self, slot: int) -> None:
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            os.setpgid(0, 0)
            os.close(self._held)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
            self._start(Worker(slot, parent, self._readable))
        self._born[pid] = slot, time.monotonic()

    def _end(self) -> int:
        """End the workers; return 0 when each of them ended in good order, in time."""
        in_order = True
        self._send(signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS + _MARGIN_SECONDS
        while self._born:
            received = signal.sigtimedwait(_WATCHED, max(0.0, deadline - time.monotonic()))
            if received is None or received.si_signo in _ENDING:
                in_order = False
                deadline += _MARGIN_SECONDS
                self._send(signal.SIGKILL)
            in_order = all(worker.status in _IN_ORDER for worker in self._reap()) and in_order
        return 0 if in_order else 1

    def _send(self, number: signal.Signals) -> None:
        for pid in self._born:
            os.kill(pid, number)
