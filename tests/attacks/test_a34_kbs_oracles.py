"""A34: who may not read a resource cannot tell whether it exists, nor learn its name, from any answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from attestack_common.http_server import Request
from trustee_core.storage.memory import MemoryStore

from tests.unit.key_broker_service.fakes import code
from tests.unit.key_broker_service.inprocess import Broker, Guest, running
from tests.unit.key_broker_service.test_admin import authenticated

if TYPE_CHECKING:
    from pathlib import Path

EXISTING, MISSING = "resource/default/key/1", "resource/default/key/none"
DENY = "package policy\nallow := false\n"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys that are read from any store."""
    seen: list[str] = []
    real = MemoryStore.get

    async def get(self: MemoryStore, key: str) -> bytes | None:
        seen.append(key)
        return await real(self, key)

    monkeypatch.setattr(MemoryStore, "get", get)
    return seen


async def alike(broker: Broker, method: str, expected: str, reads: list[str], **headers: str) -> None:
    reads.clear()
    existing = await broker.ask(method, EXISTING, b"x", **headers)
    missing = await broker.ask(method, MISSING, b"x", **headers)
    assert (existing.status, code(existing)) == (401, expected)
    assert (existing.status, existing.body, existing.headers) == (missing.status, missing.body, missing.headers)
    assert not [key for key in reads if key.startswith("default/key")], "the store was asked for a resource"


async def test_a34_strangers_cannot_tell_what_exists(reads: list[str]) -> None:
    async with running() as broker:
        await broker.ready()
        waiting = await Guest(broker).auth()
        await alike(broker, "GET", "TOKEN-MISSING", reads)
        await alike(broker, "PUT", "TOKEN-MISSING", reads)
        await alike(broker, "GET", "TOKEN-MISSING", reads, cookie=waiting.cookie)
        await alike(broker, "GET", "SESSION-UNKNOWN", reads, cookie="kbs-session-id=abc")
        await alike(broker, "GET", "TOKEN-FORMAT", reads, authorization="Bearer abc")


async def test_a34_guests_whom_the_policy_denies_cannot_tell_what_exists(reads: list[str]) -> None:
    async with running() as broker:
        await broker.ready()
        guest = Guest(broker)
        token = await guest.token()
        await broker.set_policy(DENY)
        await alike(broker, "GET", "POLICY-DENY", reads, cookie=guest.cookie)
        await alike(broker, "PUT", "POLICY-DENY", reads, authorization=f"Bearer {token}")


async def test_a34_guests_with_sample_evidence_cannot_tell_what_exists(reads: list[str]) -> None:
    async with running(insecure_sample_evidence=False) as broker:
        await broker.ready()
        guest = Guest(broker)
        await guest.token()
        await alike(broker, "GET", "SAMPLE-EVIDENCE", reads, cookie=guest.cookie)


async def test_a34_who_is_no_administrator_cannot_tell_what_exists(tmp_path: Path, reads: list[str]) -> None:
    async with running(admin={"authorization_mode": "DenyAll"}) as broker:
        await alike(broker, "DELETE", "ADMIN-DENY-ALL", reads)
        await alike(broker, "POST", "ADMIN-DENY-ALL", reads)
    async with running(admin=authenticated(tmp_path)) as broker:
        await alike(broker, "DELETE", "ADMIN-TOKEN-MISSING", reads)


async def test_a34_metrics_and_health_name_nothing_to_strangers() -> None:
    async with running() as broker:
        await broker.ready()
        guest = Guest(broker)
        await guest.token()
        await guest.by_cookie()
        await broker.ask("DELETE", "resource/default/key/1")
        for target in ("/metrics", "/healthz", "/metrics?resource_names=true"):
            for forged in ({}, {"x-forwarded-for": "127.0.0.1"}, {"forwarded": "for=127.0.0.1"}):
                request = Request("GET", target.encode(), headers=forged, client_host="192.0.2.1")
                assert b"default/key" not in (await broker.api(request)).body


async def test_a34_codes_of_refused_attestations_say_nothing_of_resources(reads: list[Any]) -> None:
    async with running() as broker:
        await broker.ready()
        guest = await Guest(broker).auth()
        reads.clear()
        await guest.attest(guest.evidence() | {"init-data": {"format": "json", "body": "{}"}})
        assert not [key for key in reads if "default/key" in key]
