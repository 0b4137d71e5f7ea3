"""Storage in the memory of the process: fast, shared with nobody, gone at its end.

Expired values do not pile up: each write removes up to 32 of them, those that expired first, found in a heap.
"""

from __future__ import annotations

import heapq
import threading
from typing import TYPE_CHECKING, Final, NamedTuple

from attestack_common.clock import Clock, system_clock

from trustee_core.storage.rules import check_key, check_namespace, check_value, expires_at, now_us
from trustee_core.storage.settings import Settings
from trustee_core.storage.worker import closed

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_SWEPT: Final = 32
"""Expired values that one write removes."""
_HEAP_SLACK: Final = 64


def open_backend(settings: Mapping[str, object]) -> MemoryBackend:
    """Open an empty store. There is nothing to set."""
    Settings("memory", settings).done()
    return MemoryBackend()


class _Entry(NamedTuple):
    value: bytes
    expires_at: int | None

    def alive(self, now: int) -> bool:
        return self.expires_at is None or self.expires_at > now


class MemoryBackend:
    """Namespaces in dictionaries. No operation waits, so tasks find each atomic; a lock does the same for threads."""

    def __init__(self, clock: Clock = system_clock) -> None:
        self.clock = clock
        self.lock = threading.Lock()
        self._namespaces: dict[str, dict[str, _Entry]] = {}
        self._heap: list[tuple[int, str, str]] = []
        self.closed = False

    def namespace(self, name: str) -> MemoryStore:
        """Open a namespace; all who open it see the same values. Raises KeyRefusedError."""
        check_namespace(name)
        return MemoryStore(self, name)

    def entries(self, namespace: str) -> dict[str, _Entry]:
        """Return the dictionary that all stores of a namespace share."""
        with self.lock:
            return self._namespaces.setdefault(namespace, {})

    async def close(self) -> None:
        """Forget everything."""
        with self.lock:
            self.closed = True
            for entries in self._namespaces.values():
                entries.clear()
            self._heap.clear()

    def remember(self, namespace: str, key: str, expires: int) -> None:
        """Note that a value expires, and remove some that have. The caller holds the lock."""
        heapq.heappush(self._heap, (expires, namespace, key))
        self.sweep()
        if len(self._heap) > _HEAP_SLACK + 2 * sum(map(len, self._namespaces.values())):
            # Values that were replaced or deleted leave their notes behind; here are too many of those.
            self._heap = [
                (entry.expires_at, name, key)
                for name, entries in self._namespaces.items()
                for key, entry in entries.items()
                if entry.expires_at is not None
            ]
            heapq.heapify(self._heap)

    def sweep(self) -> None:
        """Remove up to MAX_SWEPT expired values. The caller holds the lock."""
        now = now_us(self.clock)
        for _ in range(MAX_SWEPT):
            if not self._heap or self._heap[0][0] > now:
                return
            _, namespace, key = heapq.heappop(self._heap)
            entries = self._namespaces[namespace]
            entry = entries.get(key)
            if entry is not None and not entry.alive(now):
                del entries[key]


class MemoryStore:
    """One namespace."""

    def __init__(self, backend: MemoryBackend, name: str) -> None:
        self._backend = backend
        self._name = name
        self._shared = backend.entries(name)

    def check_key(self, key: str) -> None:
        """Raise KeyRefusedError if the key cannot be kept."""
        check_key(key)

    async def get(self, key: str) -> bytes | None:
        """Return the value, or None."""
        with self._backend.lock:
            return self._live(key)

    async def put(self, key: str, value: bytes, *, ttl: float | None = None) -> None:
        """Write, replacing whatever is there. Raises KeyRefusedError, ValueRefusedError."""
        _check(key, value)
        with self._backend.lock:
            self._write(key, value, ttl)

    async def put_if_absent(self, key: str, value: bytes, *, ttl: float | None = None) -> bool:
        """Write if the key is absent; say whether it was. Raises KeyRefusedError, ValueRefusedError."""
        return await self.compare_and_set(key, None, value, ttl=ttl)

    async def compare_and_set(
        self, key: str, expected: bytes | None, value: bytes, *, ttl: float | None = None
    ) -> bool:
        """Write if the present value is `expected`; say whether it was. Raises KeyRefusedError, ValueRefusedError."""
        _check(key, value)
        with self._backend.lock:
            if self._live(key) != expected:
                return False
            self._write(key, value, ttl)
            return True

    async def delete(self, key: str) -> bool:
        """Delete; say whether there was something to delete."""
        with self._backend.lock:
            there = self._live(key) is not None
            self._entries().pop(key, None)
            return there

    async def keys(self, prefix: str = "") -> list[str]:
        """Return the keys that start with `prefix`, sorted."""
        with self._backend.lock:
            now = now_us(self._backend.clock)
            return sorted(key for key, entry in self._entries().items() if key.startswith(prefix) and entry.alive(now))

    def _entries(self) -> dict[str, _Entry]:
        """Return what all stores of this namespace share. The caller holds the lock. Raises StorageError: closed."""
        if self._backend.closed:
            raise closed("the memory store")
        return self._shared

    def _live(self, key: str) -> bytes | None:
        entry = self._entries().get(key)
        if entry is None or (entry.expires_at is not None and entry.expires_at <= now_us(self._backend.clock)):
            return None
        return entry.value

    def _write(self, key: str, value: bytes, ttl: float | None) -> None:
        expires = expires_at(self._backend.clock, ttl)
        self._entries()[key] = _Entry(value, expires)
        if expires is None:
            self._backend.sweep()
        else:
            self._backend.remember(self._name, key, expires)


def _check(key: str, value: bytes) -> None:
    check_key(key)
    check_value(value)
