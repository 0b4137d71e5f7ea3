"""What the tests of this package share."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from reference_value_provider.service import ReferenceValueProvider
from trustee_core.storage.memory import MemoryBackend

WIRE = Path(__file__).parents[2] / "conformance" / "wire"
RECORDED_AT = datetime(2026, 11, 22, 10, 46, 4, 500_000, tzinfo=UTC)
"""The second in which the Rust KBS wrote the recorded reference values."""


class FakeClock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = RECORDED_AT

    def __call__(self) -> datetime:
        return self.now


def recorded(name: str) -> Any:
    return json.loads((WIRE / name).read_bytes())


def message(values: Any, kind: str = "sample") -> str:
    payload = base64.b64encode(json.dumps(values).encode()).decode()
    return json.dumps({"version": "0.1.0", "type": kind, "payload": payload})


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def provider(clock: FakeClock) -> ReferenceValueProvider:
    store = MemoryBackend(clock).namespace("reference_value")
    return ReferenceValueProvider(store, allow_sample=True, clock=clock)
