"""The worker thread: batches, time limits, cancellation, the end."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING

import pytest
from trustee_core.storage.contract import StorageError, StorageTimeoutError
from trustee_core.storage.worker import MAX_BATCH, Worker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trustee_core.storage.worker import Job


async def test_a_job_runs_on_the_thread_of_the_worker() -> None:
    worker = Worker("test worker")
    name = await worker.do(lambda: threading.current_thread().name)
    await worker.close()
    assert name == "test worker"


async def test_a_job_that_fails_leaves_the_others_alone() -> None:
    worker = Worker("test worker")
    results = await asyncio.gather(
        worker.do(lambda: 1), worker.do(lambda: 1 // 0), worker.do(lambda: 2), return_exceptions=True
    )
    await worker.close()
    assert results[0] == 1
    assert isinstance(results[1], ZeroDivisionError)
    assert results[2] == 2


async def test_jobs_that_wait_are_handed_over_together() -> None:
    sizes: list[int] = []

    def perform(batch: Sequence[Job]) -> None:
        sizes.append(len(batch))
        for job in batch:
            job.outcome = job.call()

    worker = Worker("test worker", perform)
    entered, gate = threading.Event(), threading.Event()

    def wait() -> None:
        entered.set()
        gate.wait(10)

    first = asyncio.ensure_future(worker.do(wait))
    await asyncio.to_thread(entered.wait, 10)
    others = [asyncio.ensure_future(worker.do(lambda n=n: n)) for n in range(MAX_BATCH + 3)]
    await asyncio.sleep(0)
    gate.set()
    await first
    assert await asyncio.gather(*others) == list(range(MAX_BATCH + 3))
    await worker.close()
    assert sizes == [1, MAX_BATCH, 3]


async def test_when_the_backend_fails_all_who_wait_are_told() -> None:
    def perform(_batch: Sequence[Job]) -> None:
        raise LookupError("broken")

    worker = Worker("test worker", perform)
    results = await asyncio.gather(worker.do(int), worker.do(int), return_exceptions=True)
    await worker.close()
    assert [type(result) for result in results] == [LookupError, LookupError]


async def test_a_job_that_takes_too_long_is_a_timeout() -> None:
    worker = Worker("test worker", time_limit=0.01)
    gate = threading.Event()
    with pytest.raises(StorageTimeoutError, match=r"test worker did not answer within 0\.01 s") as caught:
        await worker.do(lambda: gate.wait(10))
    assert caught.value.code == "STORAGE-TIMEOUT"
    gate.set()
    await worker.close()


async def test_a_job_that_nobody_waits_for_is_not_begun() -> None:
    worker = Worker("test worker")
    entered, gate, ran = threading.Event(), threading.Event(), threading.Event()

    def wait() -> None:
        entered.set()
        gate.wait(10)

    first = asyncio.ensure_future(worker.do(wait))
    await asyncio.to_thread(entered.wait, 10)
    given_up = asyncio.ensure_future(worker.do(ran.set))
    await asyncio.sleep(0)
    given_up.cancel()
    gate.set()
    await first
    assert await worker.do(lambda: "next") == "next"
    await worker.close()
    assert not ran.is_set()


async def test_close_finishes_what_waits_then_releases() -> None:
    log: list[str] = []
    worker = Worker("test worker", finish=lambda: log.append("finished"))
    job = asyncio.ensure_future(worker.do(lambda: log.append("job")))
    await asyncio.sleep(0)
    await worker.close()
    await worker.close()
    await job
    assert log == ["job", "finished"]
    with pytest.raises(StorageError) as caught:
        await worker.do(int)
    assert caught.value.code == "STORAGE-CLOSED"


async def test_a_worker_that_was_never_used_closes() -> None:
    await Worker("test worker").close()


def test_a_loop_that_was_closed_does_not_stop_the_thread() -> None:
    worker = Worker("test worker")
    gate, entered = threading.Event(), threading.Event()

    def wait() -> None:
        entered.set()
        gate.wait(10)

    async def give_up() -> None:
        job = asyncio.ensure_future(worker.do(wait))
        await asyncio.to_thread(entered.wait, 10)
        job.cancel()

    asyncio.run(give_up())
    gate.set()

    async def go_on() -> str:
        answer = await worker.do(lambda: "still here")
        await worker.close()
        return answer

    assert asyncio.run(go_on()) == "still here"


def test_a_forked_child_has_a_worker_of_its_own() -> None:
    worker = Worker("test worker")
    worker._forget()  # what runs in the child
    assert worker._state.thread is None

    async def use() -> int:
        answer = await worker.do(os.getpid)
        await worker.close()
        return answer

    assert asyncio.run(use()) == os.getpid()
