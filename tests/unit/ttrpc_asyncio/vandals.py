"""Peers that misbehave on purpose, each in its own way, on connections of their own.

A vandal returns the answers that it got, so that a test can look at them. It expects `try.Service` with the methods
Echo and Wait, the second one never ending by itself.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

from tests.unit.ttrpc_asyncio.peer import frame, raw_peer, request, success

Vandal = Callable[[str], Awaitable[list[bytes]]]

STREAMS: Final = range(1, 2001, 2)
"""The ids of a thousand streams."""
OVER: Final = 6
_LIMIT: Final = 1024
_TOO_LONG: Final = 4 * 1024 * 1024 + 1


async def half_closes(address: str) -> list[bytes]:
    """Say that nothing more will come, while twenty calls are in flight."""
    async with raw_peer(address) as peer:
        await peer.send(*(request(number, "Wait") for number in range(1, 41, 2)))
        peer.writer.write_eof()
        assert await peer.at_end()
    return []


async def interleaves(address: str) -> list[bytes]:
    """Keep a thousand streams in flight, their frames sent in pieces that do not end where frames end."""
    sent = b"".join(request(number, payload=number.to_bytes(4, "big") * 100) for number in STREAMS)
    async with raw_peer(address) as peer:
        sending = asyncio.create_task(peer.send(*(sent[at : at + 997] for at in range(0, len(sent), 997))))
        answers = [await peer.frame() for _ in STREAMS]
        await sending
    assert set(answers) == {success(number, number.to_bytes(4, "big") * 100) for number in STREAMS}
    return []


async def fills(address: str) -> list[bytes]:
    """Start more calls than may be in flight, none of which ends; then be gone."""
    async with raw_peer(address) as peer:
        await peer.send(*(request(number, "Wait") for number in range(1, 2 * (_LIMIT + OVER), 2)))
        answers = [await peer.frame() for _ in range(OVER)]
        peer.abort()
    return answers


async def exceeds(address: str) -> list[bytes]:
    """Send a message of 4 MiB and one byte."""
    async with raw_peer(address) as peer:
        return [await peer.ask(frame(1, 1, bytes(_TOO_LONG)))]


async def promises(address: str) -> list[bytes]:
    """Announce a message of 4 GiB, send a part of it, and be gone."""
    async with raw_peer(address) as peer:
        await peer.send(frame(1, 1, bytes(100_000), length=0xFFFF_FFFF))
        peer.abort()
    return []


async def misnumbers(address: str) -> list[bytes]:
    """Use stream ids that are even, or whose call is in flight."""
    async with raw_peer(address) as peer:
        await peer.send(request(1, "Wait"))
        return [await peer.ask(sent) for sent in (request(0), request(2), request(0xFFFF_FFFE), request(1))]


async def repeats(address: str) -> list[bytes]:
    """Use one stream id again and again, each time after its answer."""
    async with raw_peer(address) as peer:
        for number in range(100):
            assert await peer.ask(request(7, payload=bytes([number]))) == success(7, bytes([number]))
    return []


async def babbles(address: str) -> list[bytes]:
    """Send bytes that mean nothing, as a stream and as messages; then be gone."""
    noise = random.Random(address)
    for _ in range(4):
        async with raw_peer(address) as peer:
            await peer.send(noise.randbytes(100_000))
            peer.abort()
    async with raw_peer(address) as peer:
        return [await peer.ask(frame(number, 1, b"\xff" * number)) for number in (1, 101, 1001)]


async def never_reads(address: str) -> list[bytes]:
    """Ask for sixteen megabytes of answers, read nothing, and be gone."""
    async with raw_peer(address) as peer:
        peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
        sending = asyncio.create_task(
            peer.send(*(request(number, payload=bytes(500_000)) for number in range(1, 65, 2)))
        )
        await asyncio.wait([sending], timeout=0.1)
        peer.abort()
        await asyncio.wait([sending])
        sending.exception()
    return []


VANDALS: Final[dict[Vandal, list[str]]] = {
    babbles: ["TTRPC-ENVELOPE"] * 3,
    exceeds: ["TTRPC-MESSAGE-SIZE"],
    fills: ["TTRPC-STREAMS"] * OVER,
    half_closes: [],
    interleaves: [],
    misnumbers: ["TTRPC-STREAM-ID"] * 3 + ["TTRPC-STREAM-IN-USE"],
    never_reads: [],
    promises: [],
    repeats: [],
}
"""Each vandal, and the codes of the refusals that it gets."""
