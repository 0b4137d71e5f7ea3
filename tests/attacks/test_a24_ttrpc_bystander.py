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
    """Callers on two connections, who call as fast as they get answers until they are told to stop.

    Each connection also has a call in flight all the time, which must be answered in the end.
    """

    def __init__(self, address: str, gate: Gate) -> None:
        self.address = address
        self.gate = gate
        self.answered = [0] * CALLERS
        self.stop = False

    @property
    def content(self) -> bool:
        return min(self.answered) >= CALLS

    async def run(self) -> None:
        async with await Client.connect(self.address) as one, await Client.connect(self.address) as two:
            callers = (self._call((one, two)[number % 2], number) for number in range(CALLERS))
            await asyncio.gather(self._wait(one), self._wait(two), *callers)

    async def _wait(self, client: Client) -> None:
        assert await client.call("try.Service", "Hold", b"patience", timeout=60) == b"patience"

    async def _call(self, client: Client, number: int) -> None:
        while not self.stop:
            payload = number.to_bytes(2, "big") + self.answered[number].to_bytes(4, "big") * 64
            assert await client.call("try.Service", "Echo", payload, timeout=60) == payload
            self.answered[number] += 1
        self.gate.open.set()


async def harass(bystanders: Bystanders, vandals: Iterable[Vandal]) -> None:
    """Let vandals do it again and again, all at once, until every bystander has made its calls in the midst of it."""

    async def again(vandal: Vandal) -> None:
        while not bystanders.content:
            assert not calling.done(), "a call of a bystander failed"
            assert [code_of(answer) for answer in await vandal(bystanders.address)] == VANDALS[vandal]

    calling = asyncio.create_task(bystanders.run())
    try:
        await asyncio.gather(*map(again, vandals))
    finally:
        bystanders.stop = True
        await calling


@pytest.fixture
async def bystanders() -> AsyncIterator[Bystanders]:
    gate = Gate()
    services = [Service("try.Service", methods(Wait=Gate(), Hold=gate))]
    async with Server(services, drain_seconds=5, error_text=lambda error: f"{error.message} [{error.code}]") as server:
        yield Bystanders(str(await server.start(some_address())), gate)


def code_of(answer: bytes) -> str:
    with pytest.raises(StatusError) as caught:
        decode_response(answer[10:])
    match = re.search(r"\[([A-Z-]+)\]$", caught.value.message)
    assert match is not None
    return match[1]


@pytest.mark.parametrize("vandal", VANDALS, ids=lambda vandal: vandal.__name__)
async def test_a24_a_vandal_is_refused_and_disturbs_nobody(vandal: Vandal, bystanders: Bystanders) -> None:
    await harass(bystanders, [vandal])


async def test_a24_all_vandals_at_once_disturb_nobody(bystanders: Bystanders) -> None:
    await harass(bystanders, VANDALS)
    async with raw_peer(bystanders.address) as peer:
        assert await peer.ask(request(1, payload=b"served")) == success(1, b"served")
