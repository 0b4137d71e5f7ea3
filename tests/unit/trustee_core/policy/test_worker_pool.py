"""The workers of a service: how many, for how long, and what those who ask are told."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from trustee_core.policy import worker_pool
from trustee_core.policy.contract import PolicyEvaluationError
from trustee_core.policy.messages import MAX_REQUEST, Reply, Request, encode
from trustee_core.policy.worker_pool import PoolLimits, WorkerPool
from trustee_core.policy.worker_process import WorkerEndedError, WorkerTimeoutError

from tests.house.sources import ROOT
from tests.unit.trustee_core.policy.endless import ENDLESS
from tests.unit.trustee_core.policy.evaluation import ALLOW, HEAD

if TYPE_CHECKING:
    from collections.abc import Callable

LONG = 60.0


class Worker:
    """A worker process of the test: it answers when the test lets it."""

    made: list[Worker]

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.killed = threading.Event()
        self.closed = threading.Event()
        self.go = threading.Semaphore(0)
        self.answer: Callable[[], bytes] = lambda: encode(Reply(values={"n": len(self.requests)}))[4:]
        Worker.made.append(self)

    def ask(self, request: bytes, _seconds: float) -> bytes:
        self.requests.append(request)
        while not self.go.acquire(timeout=0.01):
            if self.killed.is_set():
                raise WorkerEndedError("ended by signal 9")
        return self.answer()

    def kill(self) -> None:
        self.killed.set()

    def close(self) -> None:
        self.closed.set()

    def disown(self) -> None:
        self.closed.set()


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> list[Worker]:
    """The workers that were made."""
    Worker.made = []
    monkeypatch.setattr(worker_pool, "WorkerProcess", Worker)
    return Worker.made


def pool(**limits: Any) -> WorkerPool:
    return WorkerPool(
        PoolLimits(**{"processes": 1, "waiting": 4, "waiting_seconds": LONG, "idle_seconds": LONG} | limits)
    )


def request(policy: str = "p", seconds: float = LONG, **members: Any) -> Request:
    return Request(policy=policy, rules=[ALLOW], seconds=seconds, **members)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  # what is waited for happens on another thread
        await asyncio.sleep(0.005)


async def code(asked: asyncio.Future[Reply] | asyncio.Task[Reply]) -> str:
    with pytest.raises(PolicyEvaluationError) as caught:
        await asked
    return caught.value.code


def ask(workers: WorkerPool, **members: Any) -> asyncio.Task[Reply]:
    return asyncio.create_task(workers.ask(request(**members)))


async def test_requests_wait_for_a_worker_in_their_order(workers: list[Worker]) -> None:
    one = pool()
    asked = [ask(one) for _ in range(3)]
    await until(lambda: bool(workers))
    for _ in asked:
        workers[0].go.release()
    assert [(await reply).values["n"] for reply in asked] == [1, 2, 3]
    assert len(workers) == 1
    await one.close()
    assert workers[0].closed.is_set()


async def test_a_worker_more_is_started_only_when_all_others_are_busy(workers: list[Worker]) -> None:
    two = pool(processes=2)
    for _ in range(3):
        asked = ask(two)
        await until(lambda: bool(workers))
        workers[0].go.release()
        await asked
        await until(lambda: two._state[0].idle == 1)
    assert len(workers) == 1
    asked = [ask(two) for _ in range(3)]  # type: ignore[assignment]  # a list now
    await until(lambda: len(workers) == 2 and len(workers[0].requests) + len(workers[1].requests) == 5)
    for worker in workers:
        worker.go.release(3)
    await asyncio.gather(*asked)  # type: ignore[call-overload]  # a list
    assert len(workers) == 2
    await two.close()


async def test_a31_too_many_requests_are_told_that_the_workers_are_busy(workers: list[Worker]) -> None:
    one = pool(waiting=2)
    first = ask(one)
    await until(lambda: bool(workers) and bool(workers[0].requests))
    waiting = [ask(one) for _ in range(2)]
    await until(lambda: len(one._state[0].jobs) == 2)
    assert await code(ask(one)) == "POLICY-BUSY"
    waiting[0].cancel()
    await asyncio.wait(waiting[:1])
    third = ask(one)
    await until(lambda: len(one._state[0].jobs) == 2)
    workers[0].go.release(3)
    assert [(await reply).values["n"] for reply in (first, waiting[1], third)] == [1, 2, 3]
    await one.close()


async def test_a31_who_waited_too_long_is_told_that_the_workers_are_busy(workers: list[Worker]) -> None:
    one = pool(waiting_seconds=0.0)
    asked = ask(one)
    assert await code(asked) == "POLICY-BUSY"
    assert workers == []
    await one.close()


@pytest.mark.parametrize(
    ("error", "expected", "says"),
    [
        (WorkerTimeoutError(), "POLICY-TIME", "did not come to an end within 60 s"),
        (WorkerEndedError("ended by signal 11"), "POLICY-PROCESS", "ended by signal 11"),
    ],
)
async def test_a31_a_worker_that_failed_is_replaced(
    workers: list[Worker], error: Exception, expected: str, says: str
) -> None:
    def fail() -> bytes:
        raise error

    one = pool()
    asked = ask(one)
    await until(lambda: bool(workers))
    workers[0].answer = fail
    workers[0].go.release()
    with pytest.raises(PolicyEvaluationError, match=says) as caught:
        await asked
    assert caught.value.code == expected
    assert caught.value.advice
    assert workers[0].closed.is_set()
    asked = ask(one)
    await until(lambda: len(workers) == 2)
    workers[1].go.release()
    assert (await asked).values == {"n": 1}
    await one.close()


async def test_a_reply_that_makes_no_sense_ends_the_worker(workers: list[Worker]) -> None:
    one = pool()
    asked = ask(one)
    await until(lambda: bool(workers))
    workers[0].answer = lambda: b"nonsense"
    workers[0].go.release()
    assert await code(asked) == "POLICY-PROCESS"
    assert workers[0].closed.is_set()
    await one.close()


async def test_a_request_that_is_too_large_is_an_error_of_its_input(workers: list[Worker]) -> None:
    one = pool()
    assert await code(ask(one, input="x" * MAX_REQUEST)) == "POLICY-INPUT"
    assert workers == []
    await one.close()


async def test_a_worker_that_does_not_start_is_an_error(workers: list[Worker], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Worker:
        raise WorkerEndedError("cannot be started: No such file")

    one = pool()
    with monkeypatch.context() as patch:
        patch.setattr(worker_pool, "WorkerProcess", fail)
        assert await code(ask(one)) == "POLICY-PROCESS"
    asked = ask(one)
    await until(lambda: bool(workers))
    workers[0].go.release()
    await asked
    await one.close()


async def test_a_thread_that_does_not_start_is_an_error(workers: list[Worker], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    one = pool()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        assert await code(ask(one)) == "POLICY-PROCESS"
    assert (workers, one._state[0].threads, list(one._state[0].jobs)) == ([], set(), [])
    await one.close()


async def test_a_worker_with_nothing_to_do_is_ended(workers: list[Worker]) -> None:
    one = pool(idle_seconds=0.01)
    for number in range(2):
        asked = ask(one)
        await until(lambda number=number: len(workers) == number + 1)  # type: ignore[misc]  # binds the loop's value
        workers[number].go.release()
        await asked
        await until(workers[number].closed.is_set)
        await until(lambda: not one._state[0].threads)
    await one.close()


async def test_when_it_is_closed_nobody_waits_any_more(workers: list[Worker]) -> None:
    one = pool()
    asked = [ask(one) for _ in range(2)]
    await until(lambda: bool(workers) and bool(workers[0].requests))
    await one.close()
    assert [await code(reply) for reply in asked] == ["POLICY-PROCESS"] * 2
    assert workers[0].closed.is_set()
    assert await code(ask(one)) == "POLICY-PROCESS"
    await one.close()


async def test_a_pool_that_nobody_has_any_more_ends_its_workers(workers: list[Worker]) -> None:
    one = pool()
    asked = ask(one)
    await until(lambda: bool(workers))
    workers[0].go.release()
    await asked
    del one, asked
    gc.collect()
    await until(workers[0].closed.is_set)


def test_who_does_not_wait_any_more_disturbs_nobody(workers: list[Worker]) -> None:
    one = pool()

    async def leave() -> None:
        task = ask(one)
        await until(lambda: bool(workers) and bool(workers[0].requests))
        del task

    asyncio.run(leave())  # ends the task, and the loop
    workers[0].go.release()

    async def stay() -> Reply:
        asked = ask(one)
        await until(lambda: len(workers[0].requests) == 2)
        workers[0].go.release()
        reply = await asked
        await one.close()
        return reply

    assert asyncio.run(stay()).values == {"n": 2}


async def test_after_a_fork_the_child_begins_anew(workers: list[Worker]) -> None:
    one = pool()
    asked = ask(one)
    await until(lambda: bool(workers))
    workers[0].go.release()
    await asked
    state = one._state[0]
    worker_pool._forget_all()  # what happens in the child
    assert workers[0].closed.is_set()
    assert one._state[0] is not state
    asked = ask(one)
    await until(lambda: len(workers) == 2)
    workers[1].go.release()
    await asked
    await one.close()
    state.closed = True
    with state.changed:
        state.changed.notify_all()


def test_parent_and_child_each_have_their_worker() -> None:
    module = "tests.unit.trustee_core.policy.forking"
    run = subprocess.run([sys.executable, "-m", module], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 7, run.stderr
    (before, child, parent) = (line.split() for line in run.stdout.splitlines())
    assert before == ["before", "False", parent[2]]
    assert child[:2] == ["child", "False"]
    assert parent[:2] == ["parent", "False"]
    assert child[2] != parent[2]


async def test_a31_a_real_worker_is_ended_and_the_loop_goes_on() -> None:
    one = pool()
    asked = asyncio.create_task(one.ask(request(ENDLESS, seconds=0.3)))
    ticks = 0
    while not asked.done():
        await asyncio.sleep(0.01)
        ticks += 1
    assert await code(asked) == "POLICY-TIME"
    assert ticks >= 5
    assert (await one.ask(request(HEAD + "allow := 1"))).values == {ALLOW: 1}
    await one.close()
