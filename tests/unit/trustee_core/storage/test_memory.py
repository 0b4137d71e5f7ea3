"""What is particular to the memory backend."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from trustee_core.storage.memory import MemoryBackend, open_backend

from tests.unit.trustee_core.storage.conftest import logged

if TYPE_CHECKING:
    import pytest

    from tests.unit.trustee_core.storage.conftest import FakeClock


async def test_expired_values_do_not_pile_up(clock: FakeClock) -> None:
    backend = MemoryBackend(clock)
    store = backend.namespace("sessions")
    for n in range(1000):
        await store.put(f"s{n}", b"session", ttl=10)
        clock.advance(1)
        assert len(backend._namespaces["sessions"]) <= 11
        assert len(backend._heap) <= 11


async def test_values_without_a_time_to_live_sweep_too(clock: FakeClock) -> None:
    backend = MemoryBackend(clock)
    store = backend.namespace("sessions")
    for n in range(100):
        await store.put(f"s{n}", b"session", ttl=10)
    clock.advance(10)
    await store.put("kept", b"")
    assert len(backend._namespaces["sessions"]) == 100 - 32 + 1
    for _ in range(3):
        await store.put("kept", b"")
    assert backend._namespaces["sessions"].keys() == {"kept"}
    assert backend._heap == []


async def test_values_written_over_and_over_leave_few_notes(clock: FakeClock) -> None:
    backend = MemoryBackend(clock)
    store = backend.namespace("sessions")
    for n in range(1000):
        await store.put("one", str(n).encode(), ttl=1000)
        assert len(backend._heap) <= 64 + 2
    clock.advance(999)
    assert await store.get("one") == b"999"
    clock.advance(1)
    assert await store.get("one") is None


async def test_a_note_of_an_older_value_removes_nothing(clock: FakeClock) -> None:
    backend = MemoryBackend(clock)
    store = backend.namespace("sessions")
    await store.put("one", b"old", ttl=5)
    await store.put("two", b"", ttl=5)
    await store.delete("two")
    await store.put("one", b"new", ttl=50)
    clock.advance(10)
    await store.put("other", b"")
    assert await store.get("one") == b"new"


def test_there_is_nothing_to_set(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        backend = open_backend({"path": "x"})
    asyncio.run(backend.close())
    assert logged(caplog) == [
        "ignored a setting that this backend does not know key=storage_backend.backends.memory.path"
    ]
