"""Every backend against a dictionary: any sequence of operations gives what the dictionary gives."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.unit.trustee_core.storage.conftest import FakeClock, opener

if TYPE_CHECKING:
    from collections.abc import Coroutine

KEYS = st.sampled_from(["a", "a/b", "a/b/c", "ab", "b", "B"])
VALUES = st.sampled_from([b"", b"one", b"two"])
TTLS = st.sampled_from([None, 0, 1, 10])
NAMESPACES = st.sampled_from(["first", "second"])


class Model(RuleBasedStateMachine):
    """Each namespace is a dictionary of values and the time at which they end."""

    kind: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = FakeClock()
        self.open = opener(self.kind, Path(self.folder.name), self.clock)
        self.backend = self.open()
        self.seconds = 0
        self.model: dict[tuple[str, str], tuple[bytes, float]] = {}

    def run(self, operation: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(operation)

    def live(self, namespace: str, key: str) -> bytes | None:
        value, end = self.model.get((namespace, key), (None, 0.0))
        return value if end > self.seconds else None

    def end(self, ttl: int | None) -> float:
        return float("inf") if ttl is None else self.seconds + ttl

    @rule(namespace=NAMESPACES, key=KEYS)
    def get(self, namespace: str, key: str) -> None:
        assert self.run(self.backend.namespace(namespace).get(key)) == self.live(namespace, key)

    @rule(namespace=NAMESPACES, key=KEYS, value=VALUES, ttl=TTLS)
    def put(self, namespace: str, key: str, value: bytes, ttl: int | None) -> None:
        self.run(self.backend.namespace(namespace).put(key, value, ttl=ttl))
        self.model[namespace, key] = value, self.end(ttl)

    @rule(namespace=NAMESPACES, key=KEYS, value=VALUES, ttl=TTLS)
    def put_if_absent(self, namespace: str, key: str, value: bytes, ttl: int | None) -> None:
        done = self.run(self.backend.namespace(namespace).put_if_absent(key, value, ttl=ttl))
        assert done == (self.live(namespace, key) is None)
        if done:
            self.model[namespace, key] = value, self.end(ttl)

    @rule(namespace=NAMESPACES, key=KEYS, expected=st.none() | VALUES, value=VALUES, ttl=TTLS)
    def compare_and_set(self, namespace: str, key: str, expected: bytes | None, value: bytes, ttl: int | None) -> None:
        done = self.run(self.backend.namespace(namespace).compare_and_set(key, expected, value, ttl=ttl))
        assert done == (self.live(namespace, key) == expected)
        if done:
            self.model[namespace, key] = value, self.end(ttl)

    @rule(namespace=NAMESPACES, key=KEYS)
    def delete(self, namespace: str, key: str) -> None:
        done = self.run(self.backend.namespace(namespace).delete(key))
        assert done == (self.live(namespace, key) is not None)
        self.model.pop((namespace, key), None)

    @rule(seconds=st.sampled_from([1, 9]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)
        self.seconds += seconds

    @rule()
    def open_again(self) -> None:
        if self.kind != "memory":
            self.run(self.backend.close())
            self.backend = self.open()

    @invariant()
    def keys(self) -> None:
        for namespace in ("first", "second"):
            expected = sorted(k for n, k in self.model if n == namespace and self.live(n, k) is not None)
            assert self.run(self.backend.namespace(namespace).keys()) == expected
            prefixed = [key for key in expected if key.startswith("a/")]
            assert self.run(self.backend.namespace(namespace).keys("a/")) == prefixed

    def teardown(self) -> None:
        self.run(self.backend.close())
        self.runner.close()
        self.folder.cleanup()


class MemoryModel(Model):
    kind = "memory"


class LocalFsModel(Model):
    kind = "local_fs"


class LocalJsonModel(Model):
    kind = "local_json"


class SqliteModel(Model):
    kind = "sqlite"


BOUNDS = settings(max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])

TestMemory = MemoryModel.TestCase
TestLocalFs = LocalFsModel.TestCase
TestLocalJson = LocalJsonModel.TestCase
TestSqlite = SqliteModel.TestCase
for case in (TestMemory, TestLocalFs, TestLocalJson, TestSqlite):
    case.settings = BOUNDS
