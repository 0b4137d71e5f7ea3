"""A36: nobody registers an identity here, so none can be taken over: a session's id is the broker's own choice, and a
record that exists is never written again.
"""

from __future__ import annotations

import json

from tests.unit.key_broker_service.fakes import auth_body, code, cookie_of
from tests.unit.key_broker_service.inprocess import Guest, running


async def test_a36_a_client_cannot_choose_its_session() -> None:
    async with running() as broker:
        victim = Guest(broker)
        await victim.token()
        response = await broker.ask("POST", "auth", auth_body(), cookie=victim.cookie)
        assert cookie_of(response) != victim.cookie


async def test_a36_an_attested_session_cannot_be_attested_over() -> None:
    async with running() as broker:
        victim = Guest(broker)
        token = await victim.token()
        attacker = Guest(broker)
        attacker.nonce, attacker.cookie = victim.nonce, victim.cookie
        assert code(await attacker.attest()) == "SESSION-USED"
        again = await victim.attest(victim.evidence())
        assert json.loads(again.body)["token"] == token
