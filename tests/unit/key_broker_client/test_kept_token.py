"""One token for all who ask: who shares what, and what nobody can end for the others."""

from __future__ import annotations

import asyncio
import gc
import math
from datetime import UTC, datetime

import pytest
from attestation_protocol.tee_key import TeeKeyPair
from attestation_protocol.token import UnverifiedToken
from key_broker_client import AttestationToken, KeptToken
from key_broker_client.errors import BrokerUnreachableError, TooLateError

from tests.unit.key_broker_client.broker import token_text

KEY = TeeKeyPair.generate()


class Source:
    """Gets tokens that are valid for 300 s, when it is let."""

    def __init__(self, *, seconds: float = 5, keep: bool = True, age: float = 0) -> None:
        self.now = 1000.0
        self.age = age
        self.refused: list[str | None] = []
        self.let = asyncio.Event()
        self.let.set()
        self.fails = False
        self.kept = KeptToken(self.get, seconds=seconds, clock=lambda: datetime.fromtimestamp(self.now, UTC), keep=keep)

    async def get(self, refused: str | None) -> AttestationToken:
        self.refused.append(refused)
        await self.let.wait()
        if self.fails:
            raise BrokerUnreachableError("nobody answers")
        issued = self.now - self.age
        text = token_text(iat=issued, exp=issued + 300, serial=len(self.refused))
        return AttestationToken(UnverifiedToken.parse(text), KEY)


async def test_a_token_is_kept_until_it_nears_its_end() -> None:
    source = Source()
    first = await source.kept.token()
    source.now += 269
    assert await source.kept.token() is first
    source.now += 1
    assert await source.kept.token() is not first
    assert source.refused == [None, None]


async def test_all_who_wait_share_one() -> None:
    source = Source()
    got = await asyncio.gather(*(source.kept.token() for _ in range(30)))
    assert {id(token) for token in got} == {id(got[0])}
    assert source.refused == [None]


async def test_a_refused_token_is_never_given_again_to_whom_it_was_refused() -> None:
    source = Source()
    first = await source.kept.token()
    source.let.clear()
    renewal = asyncio.create_task(source.kept.token(refused=first.fingerprint))
    await asyncio.sleep(0)
    assert await source.kept.token() is first, "it may still be good for others"
    source.let.set()
    second = await renewal
    assert second.fingerprint != first.fingerprint
    assert await source.kept.token(refused=first.fingerprint) is second
    assert source.refused == [None, first.fingerprint]


async def test_who_leaves_does_not_end_it_for_the_others() -> None:
    source = Source()
    source.let.clear()
    leaver, stayer = (asyncio.create_task(source.kept.token()) for _ in range(2))
    await asyncio.sleep(0)
    leaver.cancel()
    await asyncio.sleep(0)
    source.let.set()
    assert await stayer is await source.kept.token()
    assert leaver.cancelled()
    assert source.refused == [None]


async def test_when_all_have_left_the_next_one_finds_it() -> None:
    source = Source()
    source.let.clear()
    leaver = asyncio.create_task(source.kept.token())
    await asyncio.sleep(0)
    leaver.cancel()
    source.let.set()
    await asyncio.sleep(0)
    await source.kept.token()
    assert source.refused == [None]


async def test_a_failure_is_everyones_and_is_not_kept() -> None:
    source = Source()
    source.fails = True
    got = await asyncio.gather(*(source.kept.token() for _ in range(3)), return_exceptions=True)
    assert {type(error) for error in got} == {BrokerUnreachableError}
    assert source.refused == [None]
    source.fails = False
    await source.kept.token()


async def test_a_failure_that_nobody_waits_for_is_not_complained_of(caplog: pytest.LogCaptureFixture) -> None:
    source = Source()
    source.fails = True
    source.let.clear()
    leaver = asyncio.create_task(source.kept.token())
    await asyncio.sleep(0)
    leaver.cancel()
    source.let.set()
    for _ in range(3):
        await asyncio.sleep(0)
    gc.collect()
    assert caplog.records == []


@pytest.mark.parametrize("keep", [True, False])
async def test_it_takes_no_longer_than_it_may(keep: bool) -> None:  # noqa: FBT001  # a parameter of the test
    source = Source(seconds=0.02, keep=keep)
    source.let.clear()
    with pytest.raises(TooLateError) as caught:
        await source.kept.token()
    assert caught.value.code == "TOKEN-TIMEOUT"


async def test_nothing_is_shared_where_nothing_is_kept() -> None:
    source = Source(keep=False)
    got = await asyncio.gather(*(source.kept.token() for _ in range(3)), source.kept.token(refused="x"))
    assert len({token.fingerprint for token in got}) == 4
    assert source.refused == [None, None, None, "x"]


async def test_the_age_is_counted_from_when_it_came() -> None:
    source = Source()
    first = await source.kept.token()
    assert source.kept.age(first) == 0
    source.now += 7
    assert source.kept.age(first) == 7
    second = await source.kept.token(refused=first.fingerprint)
    assert source.kept.age(second) == 0
    assert source.kept.age(first) == math.inf


@pytest.mark.parametrize(("behind", "age"), [(-60, 0), (10, 0), (11, 11)])
async def test_a_token_that_was_old_when_it_came_is_as_old_as_it_says(behind: float, age: float) -> None:
    source = Source(age=behind)
    assert source.kept.age(await source.kept.token()) == age


async def test_closing_ends_what_is_under_way() -> None:
    source = Source()
    await source.kept.close()
    source.let.clear()
    waiter = asyncio.create_task(source.kept.token())
    await asyncio.sleep(0)
    await source.kept.close()
    with pytest.raises(asyncio.CancelledError):
        await waiter
