"""A24 on the ttRPC sockets: while one peer misbehaves, every call on every other connection succeeds."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

import pytest
from ttrpc_asyncio import Client, Server, Service, StatusError
from ttrpc_asyncio.envelope import decode_response

from tests.unit.ttrpc_asyncio.peer import Gate, methods, raw_peer, request, some_address, success
from tests.unit.ttrpc_asyncio.vandals import VANDALS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from tests.unit.ttrpc_asyncio.vandals import Vandal

CALLERS: Final = 32
CALLS: Final = 20
"""How many calls each caller has to make while the vandals are at work."""


class Bystanders:
    """Callers on two connections, who call as fast as they get answers until they are told to stop."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.answered = [0] * CALLERS
        self.stop = False

    @property
    def content(self) -> bool:
        return min(self.answered) >= CALLS

    async def run(self) -> None:
        async with await Client.connect(self.address) as one, await Client.connect(self.address) as two:
            await asyncio.gather(*(self._call((one, two)[number % 2], number) for number in range(CALLERS)))

    async def _call(self, client: Client, number: int) -> None:
        while not self.stop:
            payload = number.to_bytes(2, "big") + self.answered[number].to_bytes(4, "big") * 64
            assert await client.call("try.Service", "Echo", payload, timeout=60) == payload
            self.answered[number] += 1


async def harass(address: str, vandals: Iterable[Vandal]) -> None:
    """Let vandals do it again and again, all at once, until every bystander has made its calls in the midst of it."""
    bystanders = Bystanders(address)

    async def again(vandal: Vandal) -> None:
        while not bystanders.content:
            assert not calling.done(), "a call of a bystander failed"
            assert [code_of(answer) for answer in await vandal(address)] == VANDALS[vandal]

    calling = asyncio.create_task(bystanders.run())
    try:
        await asyncio.gather(*map(again, vandals))
    finally:
        bystanders.stop = True
        await calling


@pytest.fixture
async def address() -> AsyncIterator[str]:
    services = [Service("try.Service", methods(Wait=Gate()))]
    async with Server(services, drain_seconds=5, error_text=lambda error: f"{error.message} [{error.code}]") as server:
        yield str(await server.start(some_address()))


def code_of(answer: bytes) -> str:
    with pytest.raises(StatusError) as caught:
        decode_response(answer[10:])
    match = re.search(r"\[([A-Z-]+)\]$", caught.value.message)
    assert match is not None
    return match[1]


@pytest.mark.parametrize("vandal", VANDALS, ids=lambda vandal: vandal.__name__)
async def test_a24_a_vandal_is_refused_and_disturbs_nobody(vandal: Vandal, address: str) -> None:
    await harass(address, [vandal])


async def test_a24_all_vandals_at_once_disturb_nobody(address: str) -> None:
    await harass(address, VANDALS)
    async with raw_peer(address) as peer:
        assert await peer.ask(request(1, payload=b"served")) == success(1, b"served")
