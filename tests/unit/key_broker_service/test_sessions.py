"""Sessions: what a cookie seals, who may claim a challenge, and when it ends."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from attestack_common.secret import Secret
from attestation_protocol.encoding import b64url_decode, b64url_encode
from attestation_protocol.hashes import HashAlgorithm
from attestation_protocol.tee import Tee
from hypothesis import given
from hypothesis import strategies as st
from key_broker_service.sessions import (
    MAX_COOKIE,
    MAX_REMEMBERED,
    SEALING_KEY,
    Attested,
    ChallengeTooLargeError,
    Sealer,
    Session,
    SessionError,
    Sessions,
)
from trustee_core.storage.contract import KeyValueStore, StorageCorruptError
from trustee_core.storage.memory import MemoryBackend

from tests.unit.key_broker_service.fakes import START, Now

NONCE = "uIU6foGw9LcAwXmx/t+T6RfpvonoGzjIfXJi6oSsxEs="
SEALER = Sealer(Secret(bytes(32)))
SESSION = Session("0123456789abcdef" * 2, Tee.SNP, NONCE, HashAlgorithm.SHA384, 1_795_346_217)


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def store(now: Now) -> KeyValueStore:
    return MemoryBackend(clock=now).namespace("kbs_protocol_session")


@pytest.fixture
async def sessions(store: KeyValueStore, now: Now) -> Sessions:
    return await Sessions.open(store, now, 300)


def code(call: Any) -> str:
    with pytest.raises(SessionError) as caught:
        call()
    return caught.value.code


async def code_of(call: Any) -> str:
    with pytest.raises(SessionError) as caught:
        await call
    return caught.value.code


def test_a_cookie_opens_to_what_was_sealed() -> None:
    value = SEALER.seal(SESSION)
    assert len(value) < 200 < MAX_COOKIE
    assert SEALER.open(value) == SESSION


def test_a_cookie_hides_the_nonce_and_names_the_session() -> None:
    sealed = b64url_decode(SEALER.seal(SESSION))
    assert sealed[:17] == b"\x01" + bytes.fromhex(SESSION.id)
    assert NONCE.encode() not in sealed


@pytest.mark.parametrize("offset", range(len(b64url_decode(SEALER.seal(SESSION)))))
def test_a10_no_flipped_byte_of_a_cookie_is_accepted(offset: int) -> None:
    sealed = bytearray(b64url_decode(SEALER.seal(SESSION)))
    sealed[offset] ^= 1
    assert code(lambda: SEALER.open(b64url_encode(bytes(sealed)))) == "SESSION-UNKNOWN"


def test_a10_a_cookie_of_another_broker_is_unknown() -> None:
    assert code(lambda: Sealer(Secret(b"\x01" * 32)).open(SEALER.seal(SESSION))) == "SESSION-UNKNOWN"


@pytest.mark.parametrize("value", ["", "0" * 32, "é", "=" * 16, "a" * (MAX_COOKIE + 1), SEALER.seal(SESSION)[:-4]])
def test_what_is_no_cookie_is_unknown(value: str) -> None:
    assert code(lambda: SEALER.open(value)) == "SESSION-UNKNOWN"


@given(st.one_of(st.text(max_size=500), st.binary(max_size=300).map(b64url_encode)))
def test_a24_any_text_opens_or_raises_the_one_error(value: str) -> None:
    assert code(lambda: SEALER.open(value)) == "SESSION-UNKNOWN"


def test_a_challenge_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ChallengeTooLargeError) as caught:
        SEALER.seal(Session(SESSION.id, Tee.SE, "x" * 300, HashAlgorithm.SHA512, SESSION.expires))
    assert caught.value.code == "SESSION-CHALLENGE-SIZE"


async def test_auth_writes_nothing(sessions: Sessions, store: KeyValueStore) -> None:
    for _ in range(3):
        sessions.begin(Tee.SNP, NONCE, HashAlgorithm.SHA384)
    assert await store.keys() == [SEALING_KEY]


async def test_two_brokers_on_one_store_share_sessions(store: KeyValueStore, now: Now) -> None:
    first, second = await asyncio.gather(Sessions.open(store, now, 300), Sessions.open(store, now, 300))
    session, cookie = first.begin(Tee.SNP, NONCE, HashAlgorithm.SHA384)
    assert second.resume(cookie) == session
    assert await first.claim(session, b"body", "token") == "token"
    assert await second.attested(session) == Attested(session.id, "token", _sha256(b"body"), session.expires)


async def test_a10_a_session_ends_when_its_time_is_up(sessions: Sessions, store: KeyValueStore, now: Now) -> None:
    session, cookie = sessions.begin(Tee.SNP, NONCE, HashAlgorithm.SHA384)
    assert session.expires == START.timestamp() + 300
    now.pass_(seconds=299)
    assert sessions.resume(cookie) == session
    assert await sessions.claim(session, b"body", "token") == "token"
    now.pass_(seconds=1)
    assert code(lambda: sessions.resume(cookie)) == "SESSION-EXPIRED"
    assert await code_of(sessions.claim(session, b"body", "token")) == "SESSION-EXPIRED"
    assert await sessions.attested(session) is None
    assert await store.keys() == [SEALING_KEY]


async def test_a02_the_first_claim_wins_and_its_repeat_gets_the_same_token(sessions: Sessions) -> None:
    session, _ = sessions.begin(Tee.SNP, NONCE, HashAlgorithm.SHA384)
    assert await sessions.claim(session, b"body", "first") == "first"
    assert await sessions.claim(session, b"body", "second") == "first"
    assert await code_of(sessions.claim(session, b"Body", "third")) == "SESSION-USED"


async def test_a_claim_that_outlives_the_winner_is_expired(sessions: Sessions, store: KeyValueStore, now: Now) -> None:
    session, _ = sessions.begin(Tee.SNP, NONCE, HashAlgorithm.SHA384)
    await store.put(session.id, b"held for a moment", ttl=1)
    real = store.put_if_absent

    class Slow:
        """A store in which the winner's record goes between the lost claim and its reading."""

        put_if_absent = staticmethod(real)

        async def get(self, key: str) -> bytes | None:
            now.pass_(seconds=2)
            return await store.get(key)

    sessions._store = Slow()  # type: ignore[assignment]
    assert await code_of(sessions.claim(session, b"body", "token")) == "SESSION-EXPIRED"


async def test_a_record_reads_as_upstream_writes_it_with_the_request_beside(
    sessions: Sessions, store: KeyValueStore
) -> None:
    session, _ = sessions.begin(Tee.SNP, NONCE, HashAlgorithm.SHA384)
    await sessions.claim(session, b"body", "a.b.c")
    record = await store.get(session.id)
    assert record is not None
    assert json.loads(record) == {
        "Attested": {
            "token": "a.b.c",
            "id": session.id,
            "timeout": "2026-11-22T11:16:57Z",
            "request": _sha256(b"body"),
        }
    }


@pytest.mark.parametrize(
    "record", [b"", b"[]", b"{}", b'{"Authed":{}}', b'{"Attested":{"token":1}}', b'{"Attested":[]}']
)
async def test_a_record_that_is_none_is_never_served(sessions: Sessions, store: KeyValueStore, record: bytes) -> None:
    session, _ = sessions.begin(Tee.SNP, NONCE, HashAlgorithm.SHA384)
    await store.put(session.id, record)
    with pytest.raises(StorageCorruptError):
        await sessions.attested(session)


async def test_a_sealing_key_of_another_size_stops_the_start(store: KeyValueStore, now: Now) -> None:
    await store.put(SEALING_KEY, b"short")
    with pytest.raises(StorageCorruptError) as caught:
        await Sessions.open(store, now, 300)
    assert "short" not in caught.value.diagnostics()


def test_no_cookie_is_unknown(now: Now) -> None:
    assert code(lambda: Sessions(None, SEALER, now, 300).resume(None)) == "SESSION-UNKNOWN"  # type: ignore[arg-type]


def test_secrets_are_not_shown() -> None:
    assert NONCE not in repr(SESSION)
    assert "a.b.c" not in repr(Attested(SESSION.id, "a.b.c", "", 0))


def _sha256(data: bytes) -> str:
    return HashAlgorithm.SHA256.digest(data).hex()


async def test_a_remembered_cookie_still_ends(sessions: Sessions, now: Now) -> None:
    session, cookie = sessions.begin(Tee.SNP, NONCE, HashAlgorithm.SHA384)
    assert sessions.resume(cookie) is session
    now.pass_(seconds=300)
    assert code(lambda: sessions.resume(cookie)) == "SESSION-EXPIRED"


async def test_a_remembered_cookie_answers_for_no_other_text(sessions: Sessions) -> None:
    _, cookie = sessions.begin(Tee.SNP, NONCE, HashAlgorithm.SHA384)
    for other in (cookie[:-1], cookie + "A", cookie.swapcase(), f"{cookie}="):
        assert code(lambda other=other: sessions.resume(other)) == "SESSION-UNKNOWN"


async def test_what_is_remembered_is_bounded_and_opens_again(sessions: Sessions) -> None:
    first, cookie = sessions.begin(Tee.SNP, NONCE, HashAlgorithm.SHA384)
    for _ in range(MAX_REMEMBERED):
        sessions.begin(Tee.SNP, NONCE, HashAlgorithm.SHA384)
    assert len(sessions._opened) == MAX_REMEMBERED
    assert cookie not in sessions._opened
    assert sessions.resume(cookie) == first
    assert sessions.resume(cookie) == first


async def test_a_remembered_record_is_asked_of_the_store_each_time(sessions: Sessions, store: KeyValueStore) -> None:
    session, _ = sessions.begin(Tee.SNP, NONCE, HashAlgorithm.SHA384)
    await sessions.claim(session, b"body", "token")
    attested = await sessions.attested(session)
    assert attested is not None
    assert attested.token == "token"
    assert attested == Attested.parse(attested.to_json())
    await store.put(session.id, b"{}")
    with pytest.raises(StorageCorruptError):
        await sessions.attested(session)
    await store.delete(session.id)
    assert await sessions.attested(session) is None


async def test_a_large_record_is_not_remembered(sessions: Sessions) -> None:
    session, _ = sessions.begin(Tee.SNP, NONCE, HashAlgorithm.SHA384)
    await sessions.claim(session, b"body", "t" * 16 * 1024)
    assert sessions._parsed == {}
    attested = await sessions.attested(session)
    assert attested is not None
    assert len(attested.token) == 16 * 1024
