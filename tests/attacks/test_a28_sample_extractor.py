"""A28: whoever can write to the provider chooses the sample extractor, and replaces good values."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from reference_value_provider.errors import SampleRefusedError, UnknownExtractorError
from reference_value_provider.service import MISSING, ReferenceValueProvider
from trustee_core.storage.memory import MemoryBackend

if TYPE_CHECKING:
    from trustee_core.storage.contract import KeyValueStore

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def message(values: Any, kind: str = "sample") -> str:
    payload = base64.b64encode(json.dumps(values).encode()).decode()
    return json.dumps({"type": kind, "payload": payload})


@pytest.fixture
def store() -> KeyValueStore:
    return MemoryBackend(lambda: NOW).namespace("reference_value")


def opened(store: KeyValueStore, *, allow_sample: bool) -> ReferenceValueProvider:
    return ReferenceValueProvider(store, allow_sample=allow_sample, clock=lambda: NOW)


async def test_a28_an_unknown_sender_cannot_replace_a_good_value(store: KeyValueStore) -> None:
    await opened(store, allow_sample=True).register(message({"snp_launch_measurement": ["good"]}))
    before = await store.get("snp_launch_measurement")
    exposed = opened(store, allow_sample=False)
    with pytest.raises(SampleRefusedError) as caught:
        await exposed.register(message({"snp_launch_measurement": ["evil"]}))
    assert caught.value.code == "RVPS-SAMPLE-REFUSED"
    assert "insecure_sample_reference_values" in caught.value.advice
    assert await store.get("snp_launch_measurement") == before
    assert await exposed.query("snp_launch_measurement") == ["good"]


async def test_a28_an_unknown_sender_cannot_add_a_value(store: KeyValueStore) -> None:
    exposed = opened(store, allow_sample=False)
    with pytest.raises(SampleRefusedError):
        await exposed.register(message({"new": 1}))
    assert await exposed.query("new") is MISSING
    assert await store.keys() == []


@pytest.mark.parametrize("kind", ["Sample", "SAMPLE", " sample", "sample ", "sample\0", "\u017fample", "./sample"])
async def test_a28_another_spelling_is_another_extractor(store: KeyValueStore, kind: str) -> None:
    exposed = opened(store, allow_sample=False)
    with pytest.raises(UnknownExtractorError) as caught:
        await exposed.register(message({"a": 1}, kind))
    assert caught.value.code == "RVPS-EXTRACTOR"
    assert await store.keys() == []


async def test_a28_the_refusal_comes_before_the_payload_is_looked_at(store: KeyValueStore) -> None:
    exposed = opened(store, allow_sample=False)
    with pytest.raises(SampleRefusedError) as caught:
        await exposed.register('{"type":"sample","payload":"!! not base64"}')
    assert caught.value.code == "RVPS-SAMPLE-REFUSED"


async def test_a28_a_message_cannot_say_that_it_may(store: KeyValueStore) -> None:
    exposed = opened(store, allow_sample=False)
    with pytest.raises(SampleRefusedError):
        await exposed.register('{"type":"sample","payload":"e30=","allow_sample":true,"believes_anyone":false}')
