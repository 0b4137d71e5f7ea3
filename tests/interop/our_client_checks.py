"""Our client at the server of a peer: what is tried with every peer. What they say differently, their tests fill in."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from typing import ClassVar, Final

import pytest
from google.protobuf.wrappers_pb2 import BytesValue
from ttrpc_asyncio import (
    Client,
    Code,
    ConnectionClosedError,
    DeadlineExceededError,
    FrameError,
    ReconnectingClient,
    StatusError,
)
from ttrpc_asyncio.envelope import decode_response

from tests.interop.driver import LARGEST, LIMIT, SERVICE, SIZES, TOO_LONG, Status, pattern, serving, unwrapped, wrapped
from tests.interop.our_server import DETAILS, THOUSAND
from tests.unit.ttrpc_asyncio.peer import AnyPb, StatusPb, frame, raw_peer, request

SLEEP: Final = wrapped(b"60000")


async def echo(client: Client, payload: bytes) -> bytes:
    return unwrapped(await client.call(SERVICE, "Echo", wrapped(payload), timeout=60))


async def refused(client: Client, method: str, payload: bytes = b"", service: str = SERVICE) -> Status:
    """Call a method that refuses; return how."""
    with pytest.raises(StatusError) as caught:
        await client.call(service, method, wrapped(payload), timeout=60)
    return Status(caught.value.status, caught.value.message, caught.value.details)


def status_of(answer: bytes) -> Status:
    """The status in a frame that refuses."""
    with pytest.raises(StatusError) as caught:
        decode_response(answer[10:])
    return Status(caught.value.status, caught.value.message, caught.value.details)


class OurClientChecks:
    """Our client at the server of a peer."""

    unknown_service: ClassVar[Status]
    unknown_method: ClassVar[Status]
    broken: ClassVar[Status]
    expired: ClassVar[Status]
    even_id: ClassVar[Status]
    too_long: ClassVar[Code]

    @pytest.mark.parametrize("size", SIZES)
    async def test_payloads_of_every_size(self, our_client: Client, size: int) -> None:
        request = BytesValue(value=pattern(size))
        assert await our_client.unary(SERVICE, "Echo", request, BytesValue, timeout=None) == request

    async def test_a_request_over_the_limit_is_not_sent(self, our_client: Client) -> None:
        with pytest.raises(FrameError) as caught:
            await our_client.call(SERVICE, "Echo", wrapped(bytes(LARGEST + 1)), timeout=None)
        assert caught.value.message == TOO_LONG.format(LIMIT + 1)
        assert await echo(our_client, b"x") == b"x"

    @pytest.mark.parametrize("code", [code for code in Code if code is not Code.OK])
    async def test_statuses_with_details(self, our_client: Client, code: Code) -> None:
        details = [AnyPb(type_url=detail.type_url, value=detail.value) for detail in DETAILS]
        status = StatusPb(code=code, message="não é possível", details=details).SerializeToString()
        assert await refused(our_client, "Status", status) == Status(code, "não é possível", DETAILS)

    async def test_a_handler_that_fails(self, our_client: Client) -> None:
        assert await refused(our_client, "Break") == self.broken

    async def test_a_service_or_method_that_is_not_there(self, our_client: Client) -> None:
        assert await refused(our_client, "Echo", service="no.such.Service") == self.unknown_service
        assert await refused(our_client, "NoSuchMethod") == self.unknown_method

    async def test_metadata(self, our_client: Client) -> None:
        sent = {"Key": ["first", "second"], "other": ["é"]}
        answer = await our_client.call(SERVICE, "Metadata", wrapped(), timeout=60, metadata=sent)
        assert unwrapped(answer).decode() == "key=first,second\nother=é"

    async def test_a_time_limit_travels(self, our_client: Client) -> None:
        assert unwrapped(await our_client.call(SERVICE, "Timeout", wrapped(), timeout=None)) == b"0"
        nanoseconds = int(unwrapped(await our_client.call(SERVICE, "Timeout", wrapped(), timeout=50)))
        assert 0 < nanoseconds <= 50 * 10**9

    async def test_a_time_limit_that_passes_here(self, our_client: Client) -> None:
        """Both ends have the same time limit; either may notice first."""
        with pytest.raises((DeadlineExceededError, StatusError)) as caught:
            await our_client.call(SERVICE, "Sleep", SLEEP, timeout=0.05)
        assert getattr(caught.value, "status", Code.DEADLINE_EXCEEDED) is Code.DEADLINE_EXCEEDED
        assert await echo(our_client, b"x") == b"x"

    @pytest.mark.usefixtures("their_server")
    async def test_a_time_limit_that_passes_there(self, address: str) -> None:
        async with raw_peer(address) as peer:
            sent = request(1, "Sleep", SLEEP, service=SERVICE, timeout_nano=50_000_000)
            assert status_of(await peer.ask(sent)) == self.expired

    async def test_a_thousand_calls_at_once(self, our_client: Client) -> None:
        """Later calls sleep less, so that answers come in another order than the calls."""

        async def call(milliseconds: int) -> int:
            payload = wrapped(str(milliseconds).encode())
            return int(unwrapped(await our_client.call(SERVICE, "Sleep", payload, timeout=60)))

        wanted = [(THOUSAND - number) // 10 for number in range(THOUSAND)]
        assert await asyncio.gather(*map(call, wanted)) == wanted

    async def test_half_a_close_ends_its_connection_and_no_other(self, our_client: Client, address: str) -> None:
        async with raw_peer(address) as peer:
            await peer.send(request(1, "Sleep", SLEEP, service=SERVICE))
            peer.writer.write_eof()
            assert await peer.at_end()
        assert await echo(our_client, b"x") == b"x"

    @pytest.mark.usefixtures("their_server")
    async def test_what_is_refused_leaves_the_connection_usable(self, address: str) -> None:
        async with raw_peer(address) as peer:
            too_long = await peer.ask(frame(1, 1, bytes(LIMIT + 1)))
            assert status_of(too_long) == Status(self.too_long, TOO_LONG.format(LIMIT + 1))
            assert status_of(await peer.ask(frame(2, 1, b""))) == self.even_id
            assert status_of(await peer.ask(frame(3, 1, b"\xff\xff"))).code is Code.INVALID_ARGUMENT
            await peer.send(frame(5, 9, b"a type that nobody knows"))
            answer = await peer.ask(request(7, "Echo", wrapped(b"x"), service=SERVICE))
            assert decode_response(answer[10:]) == wrapped(b"x")

    async def test_a_server_that_dies_and_comes_back(self, program: Path, address: str) -> None:
        async with ReconnectingClient(address) as client:
            async with serving(program, address) as peer:
                assert await call(client, b"before") == b"before"
                asleep = asyncio.create_task(client.call(SERVICE, "Sleep", SLEEP, timeout=60))
                assert await call(client, b"beside") == b"beside"
                await peer.kill()
                with pytest.raises(ConnectionClosedError) as caught:
                    await asleep
                assert caught.value.request_sent
            Path(address.removeprefix("unix://")).unlink(missing_ok=True)  # noqa: ASYNC240  # of no length
            async with serving(program, address):
                assert await call(client, b"after") == b"after"

    async def test_an_abstract_socket(self, program: Path) -> None:
        address = f"unix://@attestack-interop-{uuid.uuid4().hex}"
        async with serving(program, address), await Client.connect(address) as client:
            assert await echo(client, b"x") == b"x"


async def call(client: ReconnectingClient, payload: bytes) -> bytes:
    return unwrapped(await client.call(SERVICE, "Echo", wrapped(payload), timeout=60))
