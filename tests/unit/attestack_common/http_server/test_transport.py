"""A transport that closes gently, around one that only keeps count."""

from __future__ import annotations

import asyncio

from attestack_common.http_server.transport import GentleTransport


class Inner(asyncio.Transport):
    """Keeps what is asked of it."""

    def __init__(self, unsent: int = 0, *, half_closes: bool = True) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.unsent = unsent
        self.half_closes = half_closes
        self.aborted = asyncio.Event()

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return "close" in self.calls

    def can_write_eof(self) -> bool:
        return self.half_closes

    def write_eof(self) -> None:
        self.calls.append("write_eof")

    def close(self) -> None:
        self.calls.append("close")

    def abort(self) -> None:
        self.calls.append("abort")
        self.aborted.set()


async def test_with_nothing_to_drain_it_closes_and_sets_no_timer() -> None:
    inner = Inner()
    transport = GentleTransport(inner, lambda: 0.0, 60)
    transport.close()
    transport.close()
    assert inner.calls == ["close"]
    assert transport.is_closing()
    assert transport._end is None


async def test_what_is_unsent_has_a_time_to_be_read() -> None:
    inner = Inner(unsent=10)
    GentleTransport(inner, lambda: 0.0, 0.01).close()
    await asyncio.wait_for(inner.aborted.wait(), 30)
    assert inner.calls == ["close", "abort"]


async def test_it_half_closes_and_ends_after_the_time_to_drain() -> None:
    inner = Inner()
    transport = GentleTransport(inner, lambda: 0.01, 60)
    transport.close()
    assert transport.is_closing()
    await asyncio.wait_for(inner.aborted.wait(), 30)
    assert inner.calls == ["write_eof", "abort"]


async def test_where_it_cannot_half_close_it_only_drains() -> None:
    inner = Inner(half_closes=False)
    GentleTransport(inner, lambda: 0.01, 60).close()
    await asyncio.wait_for(inner.aborted.wait(), 30)
    assert inner.calls == ["abort"]


async def test_aborting_ends_the_draining() -> None:
    inner = Inner()
    transport = GentleTransport(inner, lambda: 60.0, 60)
    transport.close()
    transport.abort()
    assert inner.calls == ["write_eof", "abort"]
    assert transport._end is not None
    assert transport._end.cancelled()


async def test_one_that_cannot_half_close_may_have_more_unsent_than_it_tells() -> None:
    inner = Inner(half_closes=False)
    GentleTransport(inner, lambda: 0.0, 0.01).close()
    await asyncio.wait_for(inner.aborted.wait(), 30)
    assert inner.calls == ["close", "abort"]


async def test_what_is_closing_is_not_closed_again() -> None:
    inner = Inner()
    inner.close()
    GentleTransport(inner, lambda: 0.0, 60).close()
    assert inner.calls == ["close"]


async def test_what_is_unsent_has_its_time_where_something_is_drained_too() -> None:
    inner = Inner(unsent=10)
    transport = GentleTransport(inner, lambda: 0.01, 60)
    transport.close()
    await asyncio.sleep(0.03)
    assert inner.calls == ["write_eof"]
    transport.abort()


async def test_a_peer_that_has_reset_the_connection_is_not_waited_for() -> None:
    class Reset(Inner):
        def write_eof(self) -> None:
            raise OSError(107, "Transport endpoint is not connected")

    inner = Reset()
    transport = GentleTransport(inner, lambda: 60.0, 60)
    transport.close()
    assert inner.calls == ["abort"]
    assert transport._end is None
