"""A10: sessions cannot be fixed, forged, stretched or used by two."""

from __future__ import annotations

import base64
import json

import pytest
from attestation_protocol.errors import JweError

from tests.unit.key_broker_service.fakes import code, cookie_of, variant
from tests.unit.key_broker_service.inprocess import SECRET, Guest, running


async def test_a10_a_session_that_was_fixed_yields_nothing_to_who_fixed_it() -> None:
    async with running() as broker:
        await broker.ready()
        attacker = await Guest(broker).auth()
        victim = Guest(broker)
        victim.nonce, victim.cookie = attacker.nonce, attacker.cookie  # planted in the victim's client
        await victim.attest()
        answer = await attacker.by_cookie()
        with pytest.raises(JweError):
            attacker.open(answer)
        assert victim.open(answer) == SECRET
        response = await attacker.attest()
        assert (variant(response), code(response)) == ("AttestationError", "SESSION-USED")


async def test_a10_a_cookie_of_our_making_for_a_session_of_theirs_is_unknown() -> None:
    async with running() as broker:
        await broker.ready()
        victim = Guest(broker)
        await victim.token()
        sealed = base64.urlsafe_b64decode(victim.cookie.partition("=")[2] + "==")
        session_id = sealed[1:17]
        for forged in (session_id.hex(), base64.urlsafe_b64encode(sealed[:17] + bytes(96)).decode().rstrip("=")):
            response = await Guest(broker).get("resource/default/key/1", cookie=f"kbs-session-id={forged}")
            assert (variant(response), code(response)) == ("TokenNotFound", "SESSION-UNKNOWN")


async def test_a10_nothing_stretches_a_session() -> None:
    async with running() as broker:
        await broker.ready()
        guest = Guest(broker)
        await guest.auth()
        broker.now.pass_(minutes=4, seconds=59)
        response = await guest.attest()
        assert cookie_of(response) == guest.cookie
        assert "Expires=Sun, 22 Nov 2026 11:16:57 GMT" in dict(response.headers)["set-cookie"]
        assert (await guest.by_cookie()).status == 200
        broker.now.pass_(seconds=1)
        assert code(await guest.by_cookie()) == "SESSION-EXPIRED"
        assert code(await guest.attest()) == "SESSION-EXPIRED"


async def test_a10_two_cookies_are_no_session() -> None:
    async with running() as broker:
        await broker.ready()
        guest, other = Guest(broker), Guest(broker)
        await guest.token()
        await other.token()
        both = f"{guest.cookie}; {other.cookie}"
        assert code(await guest.get("resource/default/key/1", cookie=both)) == "TOKEN-MISSING"
        response = await broker.ask("POST", "attest", guest.evidence(), cookie=both)
        assert code(response) == "SESSION-UNKNOWN"


async def test_a10_a_cookie_says_nothing_of_what_it_seals() -> None:
    async with running() as broker:
        guest = await Guest(broker).auth("snp")
        sealed = base64.urlsafe_b64decode(guest.cookie.partition("=")[2] + "==")
        for text in (guest.nonce, "snp", "sha384", json.dumps(int(broker.now().timestamp()) + 300)):
            assert text.encode() not in sealed
