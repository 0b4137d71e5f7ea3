"""The service as a fixture."""

from __future__ import annotations

import pytest

from tests.unit.attestation_service.service_bench import Bench, make_bench


@pytest.fixture
async def bench() -> Bench:
    return await make_bench()
