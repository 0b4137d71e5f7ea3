"""A28: whoever writes reference values by the extractor that verifies nothing decides what passes."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.key_broker_service.fakes import code, variant
from tests.unit.key_broker_service.inprocess import running
from tests.unit.key_broker_service.test_admin import STEPS, WHEN, authenticated

if TYPE_CHECKING:
    from pathlib import Path

MESSAGE = {
    "version": "0.1.0",
    "type": "sample",
    "payload": base64.b64encode(json.dumps({"svn": ["1"]}).encode()).decode(),
}
WIDE: dict[str, Any] = {"insecure_http": True, "sockets": ["127.0.0.1:8080", "0.0.0.0:8080"]}  # never bound


async def test_a28_on_a_wider_port_without_administrators_it_is_refused() -> None:
    async with running(http_server=WIDE) as broker:
        response = await broker.ask("POST", "reference-value", MESSAGE)
        assert (response.status, variant(response), code(response)) == (401, "RvpsError", "RVPS-SAMPLE-REFUSED")
        assert code(await broker.ask("GET", "reference-value/svn")) == "REFERENCE-VALUE-MISSING"


@pytest.mark.parametrize("changes", [{}, {"http_server": WIDE, "insecure_sample_reference_values": True}])
async def test_a28_on_loopback_or_by_its_switch_it_is_taken(changes: dict[str, Any]) -> None:
    async with running(**changes) as broker:
        assert (await broker.ask("POST", "reference-value", MESSAGE)).status == 200
        assert (await broker.ask("GET", "reference-value/svn")).body == b'["1"]'


async def test_a28_an_authenticated_administrator_may_use_it_anywhere(tmp_path: Path) -> None:
    [step] = [step for step in STEPS if step.note == "admin"]
    token = step.request.headers.get("authorization") or ""
    async with running(http_server=WIDE, admin=authenticated(tmp_path)) as broker:
        broker.now.time = WHEN
        assert (await broker.ask("POST", "reference-value", MESSAGE, authorization=token)).status == 200
        assert code(await broker.ask("POST", "reference-value", MESSAGE)) == "ADMIN-TOKEN-MISSING"
