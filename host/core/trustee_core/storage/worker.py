"""The thread on which a backend does what may block: waiting for locks, and for the disk.

A worker takes all jobs that wait for it at once, up to a bound, and hands them to its backend as one batch. So a
backend can make one transaction of them, and one wait for the disk serves them all. A job that nobody waits for any
more (its task was cancelled, or its time was over) is dropped if it has not begun; if it has, it runs to its end.

The thread starts with the first job and is a daemon: what returned to a caller is on the disk, so nothing is lost when
the process ends without `close`. A forked child starts with an empty worker of its own.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from trustee_core.storage.contract import StorageError, StorageTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Perform = Callable[[Sequence["Job"]], None]
    """Run the jobs in their order and set the outcome or the error of each."""

T = TypeVar("T")

MAX_BATCH: Final = 64
"""Jobs that are handed over at once."""
TIME_LIMIT: Final = 10.0
"""Seconds that an operation may take before its caller is told that it did not."""


@dataclass(slots=True, eq=False)
class Job:
    """Something to do on the worker's thread, and who waits for it."""

    call: Callable[..., Any]
    """What to do; the backend decides which arguments it gets."""
    future: asyncio.Future[Any]
    outcome: Any = None
    error: BaseException | None = None

    def settle(self) -> None:
        """Tell the task that waits. Called on the loop of that task."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.outcome)


def each(batch: Sequence[Job]) -> None:
    """Run jobs one by one, without arguments: one that fails leaves the others alone."""
    for job in batch:
        try:
            job.outcome = job.call()
        except Exception as error:  # noqa: BLE001  # the task that waits gets it
            job.error = error


@dataclass(slots=True, eq=False)
class _State:
    """What a forked child must not share with its parent."""

    jobs: SimpleQueue[Job | None] = field(default_factory=SimpleQueue)
    lock: threading.Lock = field(default_factory=threading.Lock)
    thread: threading.Thread | None = None


class Worker:
    """One thread, started when it is needed. `finish` runs on it at the end, to release what it holds."""

    def __init__(
        self,
        name: str,
        perform: Perform = each,
        *,
        time_limit: float = TIME_LIMIT,
        finish: Callable[[], None] = lambda: None,
    ) -> None:
        self._name = name
        self._perform = perform
        self._finish = finish
        self._time_limit = time_limit
        self._state = _State()
        self._closed = False
        _WORKERS.add(self)

    async def do(self, call: Callable[..., T]) -> T:
        """Run `call` on the thread. Raises what it raises; StorageTimeoutError; StorageError after `close`."""
        loop = asyncio.get_running_loop()
        job = Job(call, loop.create_future())
        state = self._state
        with state.lock:
            if self._closed:
                raise closed(self._name)
            if state.thread is None:
                state.thread = threading.Thread(target=self._run, args=(state,), name=self._name, daemon=True)
                state.thread.start()
            state.jobs.put(job)
        alarm = loop.call_later(self._time_limit, self._give_up, job.future)
        try:
            return cast("T", await job.future)
        finally:
            alarm.cancel()

    async def close(self) -> None:
        """Finish the jobs that wait, and end the thread. Safe to call twice."""
        state = self._state
        with state.lock:
            if self._closed:
                return
            self._closed = True
            state.jobs.put(None)
        if state.thread is not None:
            await asyncio.to_thread(state.thread.join, self._time_limit)

    def _give_up(self, future: asyncio.Future[Any]) -> None:
        if not future.done():
            future.set_exception(
                StorageTimeoutError(
                    f"{self._name} did not answer within {self._time_limit:g} s",
                    advice="look at the disk that holds the store; a write that timed out may have happened or not",
                )
            )

    def _run(self, state: _State) -> None:
        more = True
        while more:
            batch, more = _take(state.jobs)
            wanted = [job for job in batch if not job.future.done()]
            if wanted:
                try:
                    self._perform(wanted)
                except Exception as error:  # noqa: BLE001  # nobody may wait for ever: all who wait get it
                    for job in wanted:
                        job.error = error
                _settle(wanted)
        self._finish()

    def _forget(self) -> None:
        self._state = _State()


def closed(name: str) -> StorageError:
    """Return the error of a backend that is used after its end."""
    return StorageError(f"{name} is closed", code="STORAGE-CLOSED", advice="open the storage again")


def _take(jobs: SimpleQueue[Job | None]) -> tuple[list[Job], bool]:
    """Wait for a job and take those that wait with it; the second value is whether more may follow."""
    batch: list[Job] = []
    job = jobs.get()
    while job is not None:
        batch.append(job)
        if len(batch) == MAX_BATCH:
            return batch, True
        try:
            job = jobs.get_nowait()
        except Empty:
            return batch, True
    return batch, False


def _settle(jobs: Sequence[Job]) -> None:
    """Tell all who wait, with one wake-up for each event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Job]] = {}
    for job in jobs:
        by_loop.setdefault(job.future.get_loop(), []).append(job)
    for loop, its_jobs in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle_all, its_jobs)
        except RuntimeError:  # the loop was closed: nobody waits there any more
            continue


def _settle_all(jobs: Sequence[Job]) -> None:
    for job in jobs:
        job.settle()


def _forget_all() -> None:
    for worker in list(_WORKERS):
        worker._forget()  # noqa: SLF001  # the same module


_WORKERS: Final[weakref.WeakSet[Worker]] = weakref.WeakSet()
os.register_at_fork(after_in_child=_forget_all)
