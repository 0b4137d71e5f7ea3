"""The policy workers of a service: started when they are needed, ended when they take too long or have nothing to do.

Each process has a thread that waits for it; the thread does not hold the interpreter's lock meanwhile. Who asks waits
in a queue of bounded length for a bounded time, then is told that the workers are busy: slow policies may cost
themselves, but nothing else. A worker that ended is replaced with the next request.

After a fork, the child starts with workers of its own.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
import weakref
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from trustee_core.policy.contract import PolicyEvaluationError
from trustee_core.policy.messages import MessageError, Reply, Request, decode_reply, encode
from trustee_core.policy.worker_process import WorkerEndedError, WorkerProcess, WorkerTimeoutError

JOIN_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLimits:
    """What a pool of workers may take."""

    processes: int
    waiting: int
    """Requests that wait for a worker."""
    waiting_seconds: float
    """How long each of them may."""
    idle_seconds: float
    """When a worker that has nothing to do is ended."""


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    request: Request
    expires: float
    future: asyncio.Future[Reply]

    def settle(self, outcome: Reply | PolicyEvaluationError) -> None:
        """Tell the task that waits, from the worker's thread."""
        try:
            self.future.get_loop().call_soon_threadsafe(self._set, outcome)
        except RuntimeError:  # the loop was closed: nobody waits there any more
            return

    def _set(self, outcome: Reply | PolicyEvaluationError) -> None:
        if self.future.done():
            return
        if isinstance(outcome, Reply):
            self.future.set_result(outcome)
        else:
            self.future.set_exception(outcome)


@dataclass(slots=True, eq=False)
class _State:
    """What a forked child must not share with its parent."""

    limits: PoolLimits
    changed: threading.Condition = field(default_factory=threading.Condition)
    jobs: deque[_Job] = field(default_factory=deque)
    threads: set[threading.Thread] = field(default_factory=set)
    processes: set[WorkerProcess] = field(default_factory=set)
    idle: int = 0
    closed: bool = False


class WorkerPool:
    """Workers that answer requests. One object serves all threads and event loops."""

    def __init__(self, limits: PoolLimits) -> None:
        self._limits = limits
        self._state = [_State(limits)]
        self._end = weakref.finalize(self, _end, self._state)
        _POOLS.add(self)

    async def ask(self, request: Request) -> Reply:
        """Return the reply of a worker.

        Raises PolicyEvaluationError: the time is over (POLICY-TIME), too many wait already (POLICY-BUSY), or the worker
        ended or could not be started (POLICY-PROCESS).
        """
        limits, state = self._limits, self._state[0]
        job = _Job(request, time.monotonic() + limits.waiting_seconds, asyncio.get_running_loop().create_future())
        with state.changed:
            if state.closed:
                raise _ended("is closed")
            if len(state.jobs) >= limits.waiting:
                raise _busy()
            if state.idle <= len(state.jobs) and len(state.threads) < limits.processes:
                thread = threading.Thread(target=_serve, args=(state,), name="policy worker", daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:
                    raise _ended(f"cannot be started: {error}") from None
                state.threads.add(thread)
            state.jobs.append(job)
            state.changed.notify()
        try:
            return await job.future
        finally:
            with state.changed:
                if job in state.jobs:
                    state.jobs.remove(job)

    async def close(self) -> None:
        """End the workers. Safe to call twice."""
        threads = list(self._state[0].threads)
        self._end()
        for thread in threads:
            await asyncio.to_thread(thread.join, JOIN_SECONDS)

    def _forget(self) -> None:
        for process in self._state[0].processes:
            process.disown()
        self._state[0] = _State(self._limits)


def _serve(state: _State) -> None:
    """Answer jobs with one process after the other, until there is nothing to do for a while."""
    worker = _Worker(state)
    try:
        while (job := _next(state)) is not None:
            if not job.future.done():
                job.settle(worker.outcome(job))
    finally:
        worker.drop()


def _next(state: _State) -> _Job | None:
    """Wait for a job. None: the thread is to end, and is not one of the pool's any more."""
    with state.changed:
        state.idle += 1
        state.changed.wait_for(lambda: state.jobs or state.closed, state.limits.idle_seconds)
        state.idle -= 1
        if state.closed or not state.jobs:
            state.threads.discard(threading.current_thread())
            return None
        return state.jobs.popleft()


class _Worker:
    """The process of a thread, if there is one at the time."""

    def __init__(self, state: _State) -> None:
        self._state = state
        self._process: WorkerProcess | None = None

    def outcome(self, job: _Job) -> Reply | PolicyEvaluationError:
        """Return the reply, or the error instead of it."""
        if time.monotonic() > job.expires:
            return _busy()
        try:
            return self._reply(job.request)
        except PolicyEvaluationError as error:
            return error
        except WorkerTimeoutError:
            self.drop()
            return PolicyEvaluationError(
                f"the policy did not come to an end within {job.request.seconds:g} s",
                code="POLICY-TIME",
                advice="make it cheaper: fewer loops inside loops, less input to walk through",
            )
        except (WorkerEndedError, MessageError) as error:
            self.drop()
            return _ended(str(error))
        except Exception as error:  # noqa: BLE001  # who waits must be told, whatever it is
            self.drop()
            return _ended(f"cannot be asked: {type(error).__name__}")

    def _reply(self, request: Request) -> Reply:
        try:
            frame = encode(request)
        except MessageError as error:
            raise PolicyEvaluationError(
                f"input and data of the policy are too large: {error}", code="POLICY-INPUT"
            ) from None
        return decode_reply(self._started().ask(frame, request.seconds))

    def drop(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            with self._state.changed:
                self._state.processes.discard(process)
            process.close()

    def _started(self) -> WorkerProcess:
        if self._process is None:
            self._process = process = WorkerProcess()
            with self._state.changed:
                self._state.processes.add(process)
                if self._state.closed:
                    process.kill()
        return self._process


def _end(holder: list[_State]) -> None:
    state = holder[0]
    with state.changed:
        state.closed = True
        while state.jobs:
            state.jobs.popleft().settle(_ended("is closed"))
        for process in state.processes:
            process.kill()
        state.changed.notify_all()


def _busy() -> PolicyEvaluationError:
    return PolicyEvaluationError(
        "too many evaluations of slow policies wait already",
        code="POLICY-BUSY",
        advice="try again; the operator can make the policy cheaper: fewer loops inside loops",
    )


def _ended(why: str) -> PolicyEvaluationError:
    return PolicyEvaluationError(
        f"the process that evaluates the policy {why}",
        code="POLICY-PROCESS",
        advice="if it was ended by a signal, the policy takes too much memory or breaks the engine: make it smaller",
    )


def _forget_all() -> None:
    for pool in list(_POOLS):
        pool._forget()  # noqa: SLF001  # the same module


_POOLS: Final[weakref.WeakSet[WorkerPool]] = weakref.WeakSet()
os.register_at_fork(after_in_child=_forget_all)
