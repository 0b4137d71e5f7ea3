"""Our server as the client of a peer sees it: what is tried with every peer."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, ClassVar

import pytest
from ttrpc_asyncio import Code

from tests.interop.driver import LARGEST, LIMIT, SIZES, TOO_LONG, Failed, Status, calling, pattern
from tests.interop.our_server import DETAILS, THOUSAND, OurServer
from tests.unit.ttrpc_asyncio.vandals import VANDALS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.driver import PeerProcess
    from tests.unit.ttrpc_asyncio.vandals import Vandal


class OurServerChecks:
    """Our server as the client of a peer sees it."""

    too_long: ClassVar[Status | Failed]
    too_late: ClassVar[Failed]
    cut_off: ClassVar[Failed]
    gone: ClassVar[Failed]
    loses_the_last_answer: ClassVar[bool] = False

    @pytest.mark.parametrize("size", SIZES)
    async def test_payloads_of_every_size(self, their_client: PeerProcess, size: int) -> None:
        assert await their_client.call("Echo", pattern(size)) == pattern(size)

    async def test_a_request_over_the_limit_is_not_sent(self, their_client: PeerProcess) -> None:
        assert await their_client.call("Echo", pattern(LARGEST + 1)) == self.too_long
        assert await their_client.call("Echo", b"x") == b"x"

    async def test_an_answer_over_the_limit_is_replaced(self, their_client: PeerProcess) -> None:
        # The envelope adds twelve bytes: an empty status, and twice a tag and a length of four bytes.
        refused = Status(Code.INVALID_ARGUMENT, TOO_LONG.format(LIMIT + 12))
        assert await their_client.call("Pattern", str(LIMIT).encode()) == refused
        assert await their_client.call("Pattern", str(LIMIT - 12).encode()) == pattern(LIMIT - 12)

    @pytest.mark.parametrize("code", [code for code in Code if code is not Code.OK])
    async def test_statuses_with_details(self, their_client: PeerProcess, code: Code) -> None:
        answer = await their_client.call("Status", str(int(code)).encode())
        assert answer == Status(code, "não é possível", DETAILS)

    async def test_what_is_refused_leaves_the_connection_usable(self, their_client: PeerProcess) -> None:
        assert await their_client.call("Break") == Status(Code.UNKNOWN, "the handler failed")
        assert await their_client.call("Absent") == Status(Code.NOT_FOUND, "/interop.Peer/Absent is not supported")
        assert await their_client.call("NoSuchMethod") == Status(Code.UNIMPLEMENTED, "NoSuchMethod method")
        unknown = await their_client.call("Echo", service="no.such.Service")
        assert unknown == Status(Code.INVALID_ARGUMENT, "no.such.Service service does not exist")
        assert await their_client.call("Echo", b"x") == b"x"

    async def test_metadata_and_a_time_limit(self, our_server: OurServer, their_client: PeerProcess) -> None:
        metadata = {"key": ["first", "second"], "other": ["third"]}
        assert await their_client.call("Note", b"x", milliseconds=50_000, metadata=metadata) == b"x"
        assert await their_client.call("Note") == b""
        limited, unlimited = our_server.noted
        assert limited.metadata == {"key": ("first", "second"), "other": ("third",)}
        assert 0 < limited.timeout_nano <= 50 * 10**9
        assert limited.deadline is not None
        assert (unlimited.metadata, unlimited.timeout_nano, unlimited.deadline) == ({}, 0, None)

    async def test_a_time_limit_that_passes(self, our_server: OurServer, their_client: PeerProcess) -> None:
        """Both ends have the same time limit; either may notice first."""
        answer = await their_client.call("Wait", milliseconds=50)
        assert answer in (self.too_late, Status(Code.DEADLINE_EXCEEDED, "timeout"))
        async with asyncio.timeout(20):
            await our_server.gate.cancelled.acquire()
        assert await their_client.call("Echo", b"x") == b"x"

    async def test_a_thousand_calls_at_once(self, their_client: PeerProcess) -> None:
        assert await their_client.many(THOUSAND, "Echo") == THOUSAND

    async def test_a_thousand_calls_answered_in_reverse(self, their_client: PeerProcess) -> None:
        assert await their_client.many(THOUSAND, "Gather") == THOUSAND

    async def test_half_a_close_ends_its_connection_and_no_other(
        self, our_server: OurServer, their_client: PeerProcess
    ) -> None:
        their_client.write("half-close Wait")
        async with asyncio.timeout(20):
            await our_server.gate.entered.acquire()
            their_client.write("now")
            await our_server.gate.cancelled.acquire()
        assert await their_client.outcome() == self.cut_off
        assert await their_client.call("Echo", b"x") == b"x"

    async def test_a_server_that_stops_lets_calls_end(self, our_server: OurServer, their_client: PeerProcess) -> None:
        waiting = asyncio.create_task(their_client.call("Wait", b"patience"))
        async with asyncio.timeout(20):
            await our_server.gate.entered.acquire()
        stopping = asyncio.create_task(our_server.server.stop())
        our_server.gate.open.set()
        assert await waiting in {b"patience", *([self.cut_off] if self.loses_the_last_answer else [])}
        await stopping
        assert await their_client.call("Echo", b"x") == self.gone

    @pytest.mark.parametrize("where", ["unix://@attestack-interop-{}", "tcp://127.0.0.1:0"])
    async def test_other_sockets(self, our_server: OurServer, program: Path, where: str) -> None:
        address = await our_server.server.start(where.format(uuid.uuid4().hex))
        async with calling(program, str(address)) as peer:
            assert await peer.call("Echo", b"x") == b"x"

    async def test_vandals_on_other_connections_disturb_no_call(self, their_client: PeerProcess, address: str) -> None:
        calls = asyncio.create_task(several_thousand(their_client))

        async def again(vandal: Vandal) -> None:
            while not calls.done():
                await vandal(address)

        await asyncio.gather(*map(again, VANDALS))
        assert calls.result() == [THOUSAND] * 3


async def several_thousand(peer: PeerProcess) -> list[int]:
    return [await peer.many(THOUSAND, "Echo") for _ in range(3)]
