"""A time limit that costs nothing where nothing waits.

A coroutine that ends without giving up control cannot be late by the clock of its event loop, so no timer is set for
it. Most requests to a store in memory are of this kind, and each timer costs more than what it guards.
"""

from __future__ import annotations

import asyncio
from types import CoroutineType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Generator

T = TypeVar("T")


class DeadlineError(TimeoutError):
    """The limit of `within` has passed. Whatever else raises TimeoutError raises another kind of it."""


async def within(seconds: float, awaitable: Awaitable[T]) -> T:
    """Await with a limit, counted from the first time that control is given up. Raises DeadlineError."""
    rest = awaitable
    if type(awaitable) is CoroutineType:
        try:
            rest = _Rest(awaitable, awaitable.send(None))
        except StopIteration as end:
            result: T = end.value
            return result
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await rest
    except TimeoutError:
        if limit.expired():
            raise DeadlineError from None
        raise


class _Rest:
    """What is left of a coroutine that has given up control once, with what it gave."""

    __slots__ = ("_coroutine", "_first")

    def __init__(self, coroutine: CoroutineType[Any, Any, Any], first: object) -> None:
        self._coroutine = coroutine
        self._first = first

    def __await__(self) -> Generator[Any, Any, Any]:
        given = self._first
        while True:
            try:
                try:
                    answer = yield given
                except BaseException as error:  # noqa: BLE001  # a cancellation too is the coroutine's to see
                    given = self._coroutine.throw(error)
                else:
                    given = self._coroutine.send(answer)
            except StopIteration as end:
                return end.value
