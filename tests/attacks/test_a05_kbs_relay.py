"""A05: whoever relays an attestation, or holds its token or cookie, gets ciphertext for the key that was attested."""

from __future__ import annotations

import json

import pytest
from attestation_protocol.errors import JweError

from tests.unit.key_broker_service.inprocess import SECRET, Guest, running


async def test_a05_a_relayed_attestation_yields_nothing_to_the_relay() -> None:
    async with running() as broker:
        await broker.ready()
        relay, victim = Guest(broker), Guest(broker)
        await relay.auth()
        victim.nonce = relay.nonce  # the relay hands its own challenge to the guest, and forwards the evidence
        response = await relay.attest(victim.evidence())
        assert response.status == 200
        token = json.loads(response.body)["token"]
        for answer in (await relay.by_cookie(), await relay.by_bearer(token)):
            with pytest.raises(JweError) as caught:
                relay.open(answer)
            assert caught.value.code == "JWE-OPEN"
            assert SECRET not in answer.body
            assert victim.open(answer) == SECRET
