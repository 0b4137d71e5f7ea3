"""The cache of endorsements: what is believed, for how long, and what a bad source can spoil."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from attestation_service.endorsement_sources import SourceFailure
from attestation_service.endorsements import ENTRIES, UNPROVEN_SECONDS, Endorsements
from attestation_service.errors import EndorsementUnavailableError
from evidence_verifiers.contract import EndorsementRequest

if TYPE_CHECKING:
    from collections.abc import Callable


class Place:
    """A source that says whatever a test wants."""

    name = "place"

    def __init__(self, answer: bytes | SourceFailure | None = b"der") -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.gate: asyncio.Event | None = None
        self.closed = False

    async def get(self, request: EndorsementRequest) -> bytes | None:
        self.asked.append(request.path)
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(self.answer, SourceFailure):
            raise self.answer
        return self.answer

    async def close(self) -> None:
        self.closed = True


class Time:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def request(path: str = "p") -> EndorsementRequest:
    return EndorsementRequest("vcek", "kds", path, (path,))


def endorsements(*places: Place, time: Callable[[], float] | None = None) -> Endorsements:
    return Endorsements({"kds": places}, monotonic=time or Time())


async def code(cache: Endorsements, path: str = "p") -> str:
    with pytest.raises(EndorsementUnavailableError) as caught:
        await cache.fetch([request(path)])
    assert caught.value.layers == ("Verifier evaluate failed: Failed to fetch VCEK from any configured source",)
    return caught.value.code


async def test_nothing_needed_is_nothing_fetched() -> None:
    assert await endorsements().fetch([]) == {}


async def test_what_is_fetched_is_named_as_the_verifier_asked() -> None:
    place = Place()
    assert await endorsements(place).fetch([request()]) == {"vcek": b"der"}
    assert place.asked == ["p"]


async def test_sources_are_asked_in_their_order_until_one_has_it() -> None:
    first, second, third = Place(None), Place(b"second"), Place(b"third")
    assert await endorsements(first, second, third).fetch([request()]) == {"vcek": b"second"}
    assert (first.asked, second.asked, third.asked) == (["p"], ["p"], [])


async def test_a_failing_source_gives_way_to_the_next() -> None:
    first, second = Place(SourceFailure("status 500")), Place(b"second")
    assert await endorsements(first, second).fetch([request()]) == {"vcek": b"second"}


async def test_a_kind_of_source_that_nobody_configured_has_nothing() -> None:
    assert await code(Endorsements({})) == "AS-ENDORSEMENT-MISSING"


async def test_unproven_bytes_are_forgotten_soon() -> None:
    time, place = Time(), Place(b"forged")
    cache = endorsements(place, time=time)
    await cache.fetch([request()])
    place.answer = b"genuine"
    assert await cache.fetch([request()]) == {"vcek": b"forged"}
    time.now += UNPROVEN_SECONDS
    assert await cache.fetch([request()]) == {"vcek": b"genuine"}


async def test_proven_bytes_stay_whatever_the_source_says_later() -> None:
    time, place = Time(), Place(b"genuine")
    cache = endorsements(place, time=time)
    cache.prove([request()], await cache.fetch([request()]))
    place.answer = b"forged"
    time.now += 1e9
    assert await cache.fetch([request()]) == {"vcek": b"genuine"}
    assert place.asked == ["p"]


async def test_what_no_source_has_is_not_asked_for_again_at_once_but_soon() -> None:
    time, place = Time(), Place(None)
    cache = endorsements(place, time=time)
    assert [await code(cache) for _ in range(3)] == ["AS-ENDORSEMENT-MISSING"] * 3
    assert place.asked == ["p"]
    place.answer = b"der"
    time.now += UNPROVEN_SECONDS
    assert await cache.fetch([request()]) == {"vcek": b"der"}


async def test_one_fetch_serves_all_who_wait_for_it() -> None:
    place = Place()
    place.gate = asyncio.Event()
    cache = endorsements(place)
    waiting = [asyncio.create_task(cache.fetch([request()])) for _ in range(16)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    place.gate.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1:] == [{"vcek": b"der"}] * 15
    assert place.asked == ["p"]


async def test_a_busy_source_is_left_alone_for_longer_and_longer() -> None:
    time, place = Time(), Place(SourceFailure("status 429", busy=True))
    cache = endorsements(place, time=time)
    for asked, pause in enumerate((1, 2, 4, 8, 16, 32, 60, 60)):
        assert await code(cache) == "AS-ENDORSEMENT-UNAVAILABLE"
        time.now += pause - 0.1
        assert await code(cache) == "AS-ENDORSEMENT-UNAVAILABLE"
        assert len(place.asked) == asked + 1
        time.now += 0.1


async def test_a_source_says_itself_how_long_it_is_left_alone() -> None:
    time, place = Time(), Place(SourceFailure("status 429", busy=True, retry_after=7))
    cache = endorsements(place, time=time)
    await code(cache, "a")
    time.now += 6.9
    assert await code(cache, "b") == "AS-ENDORSEMENT-UNAVAILABLE"
    assert place.asked == ["a"]
    time.now += 0.2
    await code(cache, "c")
    assert place.asked == ["a", "c"]


async def test_a_pause_has_an_end_whatever_the_source_says() -> None:
    time, place = Time(), Place(SourceFailure("status 429", busy=True, retry_after=99_999))
    cache = endorsements(place, time=time)
    await code(cache, "a")
    time.now += 60
    place.answer = b"der"
    assert await cache.fetch([request("b")]) == {"vcek": b"der"}


async def test_while_one_source_is_busy_the_others_and_the_proven_serve_on() -> None:
    time, online, store = Time(), Place(b"proven"), Place(None)
    cache = endorsements(online, store, time=time)
    cache.prove([request("known")], await cache.fetch([request("known")]))
    online.answer = SourceFailure("status 429", busy=True)
    assert await code(cache, "new") == "AS-ENDORSEMENT-UNAVAILABLE"
    store.answer = b"from the store"
    assert await cache.fetch([request("other")]) == {"vcek": b"from the store"}
    assert await cache.fetch([request("known")]) == {"vcek": b"proven"}
    assert online.asked == ["known", "new"]


async def test_an_answer_ends_the_growing_of_the_pauses() -> None:
    time, place = Time(), Place(SourceFailure("status 503", busy=True))
    cache = endorsements(place, time=time)
    for wait in (1, 2, 4):
        await code(cache, f"p{wait}")
        time.now += wait
    place.answer = b"der"
    await cache.fetch([request("good")])
    place.answer = SourceFailure("status 503", busy=True)
    await code(cache, "x")
    time.now += 1
    await code(cache, "y")
    assert place.asked == ["p1", "p2", "p4", "good", "x", "y"]


async def test_a_flood_of_unknown_chips_pushes_out_nothing_that_is_proven() -> None:
    place = Place(b"genuine")
    cache = endorsements(place)
    cache.prove([request("known")], await cache.fetch([request("known")]))
    place.answer = None
    for number in range(ENTRIES + 10):
        await code(cache, f"unknown{number}")
    assert await cache.fetch([request("known")]) == {"vcek": b"genuine"}
    assert place.asked.count("known") == 1
    assert len(cache._unproven) == ENTRIES


async def test_the_proven_that_were_used_last_are_kept() -> None:
    place = Place()
    cache = endorsements(place)
    for number in range(ENTRIES + 1):
        if number == ENTRIES:
            await cache.fetch([request("0")])
        asked = [request(str(number))]
        cache.prove(asked, await cache.fetch(asked))
    await cache.fetch([request("0")])
    await cache.fetch([request("1")])
    assert place.asked.count("0") == 1
    assert place.asked.count("1") == 2


async def test_closing_ends_what_is_under_way_and_the_sources() -> None:
    place = Place()
    place.gate = asyncio.Event()
    cache = endorsements(place)
    waiting = asyncio.create_task(cache.fetch([request()]))
    await asyncio.sleep(0)
    await cache.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert place.closed
