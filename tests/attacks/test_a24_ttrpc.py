"""A24 on the ttRPC sockets: lengths, numbers and floods that are meant to exhaust or to stop the server.

Each is refused with its stable code, and the same connection, or another one, is still served.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from ttrpc_asyncio import Server, Service, StatusError
from ttrpc_asyncio.envelope import decode_response

from tests.unit.ttrpc_asyncio.peer import Gate, frame, methods, raw_peer, request, some_address, success

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def with_code(error: StatusError) -> str:
    return f"{error.message} [{error.code}]"


@pytest.fixture
async def address() -> AsyncIterator[str]:
    services = [Service("try.Service", methods(Wait=Gate()))]
    options = {"max_connections": 3, "max_streams_per_connection": 4}
    async with Server(services, drain_seconds=0.2, error_text=with_code, **options) as server:
        yield str(await server.start(some_address()))


def code_of(answer: bytes) -> str:
    with pytest.raises(StatusError) as caught:
        decode_response(answer[10:])
    match = re.search(r"\[([A-Z-]+)\]$", caught.value.message)
    assert match is not None
    return match[1]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(1, 1, bytes(4_194_305)), "TTRPC-MESSAGE-SIZE"),
        (frame(1, 1, b"\x0a\xff\xff\xff\xff\x0f" + b"x" * 100), "TTRPC-ENVELOPE"),
        (frame(1, 1, b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), "TTRPC-ENVELOPE"),
        (frame(1, 1, b"\x2a\x00" * 2_000_000), "TTRPC-ENVELOPE-FIELDS"),
        (frame(1, 1, b"\x2a\x80\x80\x01" + b"\x38\x00" * 8192), "TTRPC-ENVELOPE-FIELDS"),
        (frame(1, 1, b"\x0b" * 100_000), "TTRPC-ENVELOPE"),
        (frame(2, 1, b""), "TTRPC-STREAM-ID"),
        (request(1, service="x" * 4_000_000), "TTRPC-SERVICE"),
        (request(1, "x" * 4_000_000), "TTRPC-METHOD"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a24_a_message_made_to_exhaust_is_refused(address: str, sent: bytes, code: str) -> None:
    async with raw_peer(address) as peer:
        assert code_of(await peer.ask(sent)) == code
        assert await peer.ask(request(3, payload=b"served")) == success(3, b"served")


async def test_a24_a_stream_id_used_twice_is_refused(address: str) -> None:
    async with raw_peer(address) as peer:
        await peer.send(request(1, "Wait"))
        assert code_of(await peer.ask(request(1))) == "TTRPC-STREAM-IN-USE"
        assert await peer.ask(request(3, payload=b"served")) == success(3, b"served")


async def test_a24_calls_that_never_end_fill_their_own_connection_only(address: str) -> None:
    async with raw_peer(address) as peer, raw_peer(address) as other:
        await peer.send(*(request(number, "Wait") for number in (1, 3, 5, 7)))
        assert code_of(await peer.ask(request(9))) == "TTRPC-STREAMS"
        assert await other.ask(request(1, payload=b"served")) == success(1, b"served")


async def test_a24_connections_over_the_limit_are_closed_and_the_others_served(address: str) -> None:
    async with raw_peer(address) as one, raw_peer(address) as two, raw_peer(address) as three:
        for peer in (one, two, three):
            assert await peer.ask(request(1, payload=b"served")) == success(1, b"served")
        for _ in range(50):
            async with raw_peer(address) as more:
                assert await more.at_end()
        assert await one.ask(request(3, payload=b"served")) == success(3, b"served")
