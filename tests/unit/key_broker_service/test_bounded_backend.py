"""No call of the attestation service outlasts a guest's patience."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from attestation_protocol.tee import Tee
from attestation_service.errors import AttestationServiceError
from key_broker_service.bounded_backend import BoundedBackend

from tests.unit.key_broker_service.fakes import FakeBackend


class Stuck:
    """A service that never answers."""

    async def evaluate(self, *_: Any) -> str:
        return await asyncio.Future()

    set_policy = register_reference_value = query_reference_value = challenge = evaluate


CALLS = {
    "evaluate": ([], ("default",)),
    "set_policy": ("default_cpu", "eA"),
    "register_reference_value": ("{}",),
    "query_reference_value": ("svn",),
    "challenge": (Tee.SE, "{}"),
}


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_that_does_not_end_is_an_error(name: str) -> None:
    backend = BoundedBackend(Stuck(), seconds=0.01)  # type: ignore[arg-type]
    with pytest.raises(AttestationServiceError) as caught:
        await getattr(backend, name)(*CALLS[name])
    assert caught.value.code == "AS-TIMEOUT"


async def test_answers_and_refusals_are_passed_on() -> None:
    inner = FakeBackend()
    inner.values = {"svn": ["1"]}
    backend = BoundedBackend(inner)
    results = [await getattr(backend, name)(*arguments) for name, arguments in CALLS.items()]
    assert results == ["token.1", None, None, ["1"], "se {}"]
    assert (inner.policies, inner.messages) == ({"default_cpu": "eA"}, ["{}"])
    inner.refusal = AttestationServiceError("no", code="AS-NO")
    for name, arguments in CALLS.items():
        with pytest.raises(AttestationServiceError) as caught:
            await getattr(backend, name)(*arguments)
        assert caught.value.code == "AS-NO"
