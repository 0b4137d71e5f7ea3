"""A24: whatever comes on the gRPC ports of agent and hub, the caller gets a status, and others their answers."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import grpc  # type: ignore[import-untyped]
import grpc.aio  # type: ignore[import-untyped]
import pytest
from attestack_common.grpc_edge import Refusal
from attestack_common.secret import Secret
from attestation_agent.evidence import AgentEvidence
from attestation_agent.service import grpc_agent_service
from attestation_agent.tokens import Tokens
from attestation_protocol.errors import code_of
from attestation_protocol.tee import Tee
from confidential_data_hub.service import resource_service
from hypothesis import given
from hypothesis import strategies as st
from key_broker_client.guest_rpc import GrpcAddress, serve
from key_broker_client.guest_rpc.over_grpc import carried
from tee_attesters import Detected
from tee_attesters.sample import SampleAttester

from tests.unit.attestack_common.grpc_edge.http2 import DATA, END_HEADERS, HEADERS, call_fields, frame, hello, message

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from attestack_common.grpc_edge import Method
    from attestation_protocol.resource_uri import ResourceUri
    from ttrpc_asyncio import Service

AGENT = "attestation_agent.AttestationAgentService"
HUB = "api.GetResourceService"
METHODS = (
    f"/{AGENT}/GetEvidence",
    f"/{AGENT}/GetAdditionalEvidence",
    f"/{AGENT}/GetToken",
    f"/{AGENT}/ExtendRuntimeMeasurement",
    f"/{AGENT}/BindInitData",
    f"/{AGENT}/GetTeeType",
    f"/{AGENT}/GetAdditionalTees",
    f"/{HUB}/GetResource",
)
MEBIBYTE = 1024 * 1024


class Broker:
    """Has every resource."""

    async def get_resource(self, _: ResourceUri) -> Secret:
        return Secret(b"secret")


def services() -> list[Service]:
    evidence = AgentEvidence(Detected(Tee.SAMPLE, SampleAttester("1"), {}))
    return [grpc_agent_service(evidence, Tokens(None)), resource_service(Broker())]


@contextlib.asynccontextmanager
async def guest() -> AsyncIterator[tuple[str, Any]]:
    """The address, and a channel of a caller who means well."""
    async with contextlib.AsyncExitStack() as running:
        server: Any = await serve(running, GrpcAddress("127.0.0.1:0"), services())
        yield server.address, await running.enter_async_context(grpc.aio.insecure_channel(server.address))


async def ask(channel: Any, method: str, request: bytes) -> tuple[str, Any]:
    try:
        return "OK", await channel.unary_unary(method)(request, timeout=20)
    except grpc.aio.AioRpcError as error:
        return error.code().name, error.details()


async def is_well(channel: Any) -> None:
    assert await ask(channel, f"/{AGENT}/GetTeeType", b"") == ("OK", b"\n\x06sample")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("request_", [b"\xff", b"\n\x05x", b"\x0b", b"\n\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"])
async def test_a24_a_message_that_does_not_decode_has_a_code(method: str, request_: bytes) -> None:
    async with guest() as (_, channel):
        status, text = await ask(channel, method, request_)
        assert (status, code_of(text)) == ("INTERNAL", "RPC-MESSAGE")
        await is_well(channel)


@pytest.mark.parametrize("method", [f"/{AGENT}/GetEvidence", f"/{HUB}/GetResource"])
async def test_a24_a_message_beyond_the_limit_is_not_taken(method: str) -> None:
    async with guest() as (_, channel):
        status, _ = await ask(channel, method, b"\n\x80\x80\x80\x02" + bytes(4 * MEBIBYTE))
        assert status == "RESOURCE_EXHAUSTED"
        await is_well(channel)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00" * 1000,
        b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n",
        bytes.fromhex("0000003e000000010100") + b"x" * 62,  # a frame of ttRPC
        hello() + frame(HEADERS, b"\xff" * 100, flags=END_HEADERS, stream=1),
        hello() + frame(HEADERS, call_fields(METHODS[0]), flags=END_HEADERS, stream=2),
        hello() + frame(99, b"x" * 20_000, stream=1),
        hello()
        + frame(HEADERS, call_fields(METHODS[0]), flags=END_HEADERS, stream=1)
        + frame(DATA, message(b"x", compressed=True), stream=1),
    ],
)
async def test_a24_what_is_no_call_disturbs_nobody(sent: bytes) -> None:
    async with guest() as (address, channel):
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(sent)
        writer.write_eof()
        with contextlib.suppress(ConnectionError):
            assert b"secret" not in await asyncio.wait_for(reader.read(), 20)
        await is_well(channel)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_a24_many_bad_calls_at_once_disturb_nobody() -> None:
    at_once = asyncio.Semaphore(60)  # streams that a connection may have, with room for those that are just ending

    async def bad(channel: Any, method: str) -> str:
        async with at_once:
            return (await ask(channel, method, b"\xff"))[0]

    async with guest() as (_, channel):
        calls = [bad(channel, method) for method in METHODS * 20]
        *answers, _ = await asyncio.gather(*calls, is_well(channel))
    assert set(answers) == {"INTERNAL"}


@given(st.sampled_from(METHODS), st.binary(max_size=80))
def test_a24_any_bytes_are_answered_or_refused_with_a_code(path: str, data: bytes) -> None:
    _, service, name = path.split("/")
    handlers = {offered.name: carried(offered).methods for offered in services()}
    code: str | None = None
    try:
        asyncio.run(_answered(handlers[service][name], data))
    except Refusal as refusal:
        code = code_of(refusal.text) or "none"
    assert code != "none"


async def _answered(method: Method, data: bytes) -> None:
    assert isinstance(await method(data), bytes)
