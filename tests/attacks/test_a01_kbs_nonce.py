"""A01: a constant nonce. Every challenge is 32 fresh random bytes, also where requests are the same."""

from __future__ import annotations

import base64

from tests.unit.key_broker_service.inprocess import Guest, running

CHALLENGES = 400


async def test_a01_challenges_are_32_bytes_that_never_come_twice() -> None:
    async with running() as broker:
        nonces = [base64.b64decode((await Guest(broker).auth()).nonce) for _ in range(CHALLENGES)]
    assert {len(nonce) for nonce in nonces} == {32}
    assert len(set(nonces)) == CHALLENGES


async def test_a01_no_part_of_a_challenge_is_constant() -> None:
    async with running() as broker:
        nonces = [base64.b64decode((await Guest(broker).auth()).nonce) for _ in range(CHALLENGES)]
    assert all(len({nonce[position] for nonce in nonces}) > 100 for position in range(32))


async def test_a01_brokers_that_start_alike_give_different_challenges() -> None:
    nonces = []
    for _ in range(3):
        async with running() as broker:
            nonces.append((await Guest(broker).auth()).nonce)
    assert len(set(nonces)) == 3
