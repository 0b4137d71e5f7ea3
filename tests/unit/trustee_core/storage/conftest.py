"""Backends for the tests of storage, each opened on a place of its own, with a clock that the test sets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

import pytest
import pytest_asyncio
from attestack_common.logs.lines import FIELDS
from trustee_core.storage.local_fs import LocalFsBackend
from trustee_core.storage.local_json import LocalJsonBackend
from trustee_core.storage.memory import MemoryBackend
from trustee_core.storage.sqlite import SqliteBackend

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from trustee_core.storage.contract import KeyValueStore, StorageBackend

KINDS = ("memory", "local_fs", "local_json", "sqlite")


class FakeClock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 10, 46, 4, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged, each event with its fields."""
    return [
        " ".join([record.getMessage(), *(f"{name}={value}" for name, value in getattr(record, FIELDS).items())])
        for record in caplog.records
    ]


class Open(Protocol):
    """Opens the backend of a test: a second call opens the same place again (memory: hands out the same one)."""

    def __call__(self) -> StorageBackend: ...


def opener(kind: str, place: Path, clock: Callable[[], datetime]) -> Open:
    memory = MemoryBackend(clock)
    for folder in ("fs", "json"):
        (place / folder).mkdir(exist_ok=True)
    openers: dict[str, Open] = {
        "memory": lambda: memory,
        "local_fs": lambda: LocalFsBackend(place / "fs", clock=clock),
        "local_json": lambda: LocalJsonBackend(place / "json", clock=clock),
        "sqlite": lambda: SqliteBackend(place / "store.sqlite", clock=clock),
    }
    return openers[kind]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def open_again(kind: str, tmp_path: Path, clock: FakeClock) -> Open:
    return opener(kind, tmp_path, clock)


@pytest_asyncio.fixture
async def backend(open_again: Open) -> AsyncIterator[StorageBackend]:
    opened = open_again()
    yield opened
    await opened.close()


@pytest.fixture
def store(backend: StorageBackend) -> KeyValueStore:
    return backend.namespace("repository")
