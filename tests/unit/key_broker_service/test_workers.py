"""How many processes serve, and how long a worker that died young is waited for."""

from __future__ import annotations

from typing import Any

import pytest
from key_broker_service import workers
from key_broker_service.supervisor import delay

from tests.unit.key_broker_service.inprocess import config

FOUR = {"insecure_http": True, "worker_count": 4}
FILES: dict[str, Any] = {
    "storage_type": "LocalFs",
    "backends": {"local_fs": {}, "memory": {}},
}


def test_one_process_serves_unless_more_are_asked_for() -> None:
    assert workers.count(config(storage_backend=FILES)) == 1
    assert workers.count(config(storage_backend=FILES, http_server=FOUR)) == 4


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({}, "storage_backend.storage_type"),
        ({"storage_backend": {"storage_type": "memory"}}, "storage_backend.storage_type"),
        ({"storage_backend": FILES, "session_storage_type": "Memory"}, "session_storage_type"),
        (
            {"storage_backend": FILES, "attestation_service": {"type": "coco_as_builtin", "storage_type": "Memory"}},
            "attestation_service.storage_type",
        ),
        (
            {
                "storage_backend": FILES,
                "attestation_service": {
                    "type": "coco_as_builtin",
                    "rvps_config": {"type": "BuiltIn", "storage_type": "memory"},
                },
            },
            "attestation_service.rvps_config.storage_type",
        ),
    ],
)
def test_memory_makes_it_one_process_and_says_so(
    changes: dict[str, Any], key: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert workers.count(config(http_server=FOUR, **changes)) == 1
    assert "one process serves" in caplog.text
    assert workers.kept_in_memory(config(http_server=FOUR, **changes)) == key


@pytest.mark.parametrize(
    ("short_lives", "seconds"), [(0, 0.0), (1, 0.1), (2, 0.2), (3, 0.4), (10, 30.0), (10_000, 30.0)]
)
def test_a_worker_that_dies_young_is_waited_for_longer_each_time_up_to_a_bound(
    short_lives: int, seconds: float
) -> None:
    assert delay(short_lives) == pytest.approx(seconds)
