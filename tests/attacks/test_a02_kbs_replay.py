"""A02: a nonce is replayed, by its owner or by others, in its session or in another. See also the races in
tests/integration/test_rcar_independent_client.py.
"""

from __future__ import annotations

import asyncio

import pytest

from tests.unit.key_broker_service.fakes import code, variant
from tests.unit.key_broker_service.inprocess import Guest, running


async def test_a02_a_nonce_is_good_for_its_own_session_alone() -> None:
    async with running() as broker:
        mine, theirs = await Guest(broker).auth(), await Guest(broker).auth()
        body = mine.evidence()
        for cookie in (theirs.cookie, ""):
            response = await broker.ask("POST", "attest", body, cookie=cookie)
            assert (response.status, variant(response)) == (401, "AttestationError")
            assert code(response) in {"RCAR-NONCE", "SESSION-UNKNOWN"}
        assert (await mine.attest(body)).status == 200


async def test_a02_a_spent_challenge_attests_no_other_key_and_no_other_evidence() -> None:
    async with running() as broker:
        first = await Guest(broker).auth()
        body = first.evidence()
        token = (await first.attest(body)).body
        second = Guest(broker)
        second.nonce, second.cookie = first.nonce, first.cookie
        for other in (second.evidence(), first.evidence(first.device())):
            response = await second.attest(other)
            assert (response.status, variant(response), code(response)) == (401, "AttestationError", "SESSION-USED")
        assert (await first.attest(body)).body == token


async def test_a02_a_spent_challenge_is_spent_for_good() -> None:
    async with running() as broker:
        guest = await Guest(broker).auth()
        body = guest.evidence()
        await guest.attest(body)
        broker.now.pass_(minutes=5)
        for minutes in (0, 60):
            broker.now.pass_(minutes=minutes)
            assert code(await guest.attest(body)) == "SESSION-EXPIRED"


@pytest.mark.parametrize("same", [True, False])
async def test_a02_of_many_at_once_one_token_comes(*, same: bool) -> None:
    async with running() as broker:
        first = await Guest(broker).auth()
        bodies = [first.evidence()] * 16
        if not same:
            guests = [Guest(broker) for _ in range(16)]
            for guest in guests:
                guest.nonce, guest.cookie = first.nonce, first.cookie
            bodies = [guest.evidence() for guest in guests]
        answers = await asyncio.gather(*(first.attest(body) for body in bodies))
        tokens = {answer.body for answer in answers if answer.status == 200}
        assert len(tokens) == 1
        assert sum(answer.status == 200 for answer in answers) == (16 if same else 1)
