"""The time limit that sets no timer where nothing waits."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import patch

import pytest
from attestack_common.deadlines import DeadlineError, within


async def at_once(value: Any) -> Any:
    if isinstance(value, Exception):
        raise value
    return value


async def later(value: Any) -> Any:
    await asyncio.sleep(0)
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_result, value)
    return await at_once(await future)


async def test_what_does_not_wait_sets_no_timer() -> None:
    with patch.object(asyncio, "timeout", side_effect=AssertionError):
        assert await within(0, at_once(3)) == 3
        with pytest.raises(KeyError):
            await within(0, at_once(KeyError("x")))


async def test_what_waits_goes_on_to_its_end() -> None:
    assert await within(60, later(4)) == 4
    with pytest.raises(KeyError):
        await within(60, later(KeyError("x")))


async def test_what_is_no_coroutine_is_awaited_as_well() -> None:
    assert await within(60, asyncio.ensure_future(later(5))) == 5


@pytest.mark.parametrize("as_task", [False, True])
async def test_what_waits_too_long_is_cancelled(*, as_task: bool) -> None:
    seen: list[str] = []

    async def stuck() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    with pytest.raises(DeadlineError):
        await within(0, asyncio.ensure_future(stuck()) if as_task else stuck())
    await asyncio.sleep(0)
    assert seen == ["cancelled"]


async def test_a_coroutine_may_answer_its_cancellation() -> None:
    async def stubborn() -> str:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return "late"

    assert await within(0, stubborn()) == "late"


async def test_another_timeout_is_told_apart() -> None:
    async def fails() -> None:
        await asyncio.sleep(0)
        raise TimeoutError

    with pytest.raises(TimeoutError) as caught:
        await within(60, fails())
    assert type(caught.value) is TimeoutError


async def test_a_cancelled_caller_cancels_what_it_waits_for() -> None:
    ended = asyncio.Event()

    async def waiting() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.set()

    task = asyncio.ensure_future(within(60, waiting()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_limits_stand_in_each_other() -> None:
    async def inner() -> str:
        try:
            await within(0, asyncio.sleep(60))
        except DeadlineError:
            return "inner"
        return "none"

    assert await within(60, inner()) == "inner"
