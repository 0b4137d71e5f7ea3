"""Reference values of an RVPS elsewhere: asked for at once, and refused by name when they do not come."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from attestack_common.errors import ConfigError
from attestack_common.grpc_edge import GrpcServer, PeerAddress, Refusal, Service, Status
from attestack_common.grpc_edge import channel as channel_module
from attestation_protocol.stubs.reference_pb2 import ReferenceValueQueryRequest, ReferenceValueQueryResponse
from reference_value_provider import client
from reference_value_provider.client import RemoteReferenceValues
from reference_value_provider.errors import MessageError, RemoteError, SampleRefusedError, UnreachableError
from reference_value_provider.grpc_service import NAME, reference_value_service
from reference_value_provider.service import MISSING

from tests.integration.processes import free_port
from tests.unit.reference_value_provider.conftest import message

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from reference_value_provider.service import ReferenceValueProvider


@contextlib.asynccontextmanager
async def connected(*services: Service, allow_sample: bool = True) -> AsyncIterator[RemoteReferenceValues]:
    async with GrpcServer(services, address="127.0.0.1:0") as server:
        values = await RemoteReferenceValues.connect(server.address, allow_sample=allow_sample)
        try:
            yield values
        finally:
            await values.close()


def answering(**methods: Any) -> Service:
    """An RVPS that answers what a test says."""

    async def nothing(_message: bytes) -> bytes:
        return b""

    return Service(NAME, {"QueryReferenceValue": nothing, "RegisterReferenceValue": nothing} | methods)


def name_of(data: bytes) -> str:
    return ReferenceValueQueryRequest.FromString(data).reference_value_id


async def test_values_are_registered_and_found(provider: ReferenceValueProvider) -> None:
    async with connected(reference_value_service(provider)) as values:
        await values.register(message({"svn": ["1"], "null": None}))
        assert await provider.query("svn") == ["1"]
        assert await values.query("svn") == ["1"]
        assert await values.query("null") is None
        assert await values.query("other") is MISSING
        assert await values.query_many(["svn", "other", "svn", "null"]) == {"svn": ["1"], "null": None}
        assert await values.query_many([]) == {}


async def test_values_are_asked_for_at_once() -> None:
    asked: list[str] = []
    all_there = asyncio.Event()

    async def query(data: bytes) -> bytes:
        if name_of(data) != client.PROBE:
            asked.append(name_of(data))
            if len(asked) == 20:
                all_there.set()
            await all_there.wait()
        return b""

    async with connected(answering(QueryReferenceValue=query)) as values:
        ids = [f"id{number}" for number in range(20)]
        assert await values.query_many(ids) == {}
    assert sorted(asked) == sorted(ids)


async def test_the_start_asks_once_for_what_stock_services_ask() -> None:
    asked: list[str] = []

    async def query(data: bytes) -> bytes:
        asked.append(name_of(data))
        return b""

    async with connected(answering(QueryReferenceValue=query)):
        assert asked == ["__healthcheck__"]


async def test_a_refusal_keeps_its_code(provider: ReferenceValueProvider) -> None:
    async with connected(reference_value_service(provider)) as values:
        with pytest.raises(RemoteError) as caught:
            await values.register(message({}, kind="nosuch"))
        assert caught.value.code == "RVPS-EXTRACTOR"
        assert caught.value.message == "Could not find extractor for nosuch"
        assert caught.value.advice == "use one of sample"


async def test_a_refusal_of_a_stock_rvps_has_our_code() -> None:
    async def refuse(_data: bytes) -> bytes:
        raise Refusal(Status.ABORTED, "Register reference value: parse message")

    async with connected(answering(RegisterReferenceValue=refuse)) as values:
        with pytest.raises(RemoteError) as caught:
            await values.register("{}")
    assert (caught.value.code, caught.value.message) == ("RVPS-REMOTE", "parse message")


async def test_the_first_value_that_cannot_be_had_fails_the_batch() -> None:
    async def query(data: bytes) -> bytes:
        if name_of(data) == "bad":
            raise Refusal(Status.ABORTED, "Query reference value: deserialize reference value [RVPS-RECORD]")
        return b""

    async with connected(answering(QueryReferenceValue=query)) as values:
        with pytest.raises(RemoteError) as caught:
            await values.query_many(["a", "bad", "b"])
        assert caught.value.code == "RVPS-RECORD"
        assert await values.query_many(["a", "b"]) == {}


@pytest.mark.parametrize(
    "answer", [b"\x0a\x05ab", ReferenceValueQueryResponse(reference_value_results="{").SerializeToString()]
)
async def test_an_answer_that_is_none_is_refused(answer: bytes) -> None:
    async def query(data: bytes) -> bytes:
        return b"" if name_of(data) == client.PROBE else answer

    async with connected(answering(QueryReferenceValue=query)) as values:
        with pytest.raises(RemoteError) as caught:
            await values.query("svn")
    assert caught.value.code == "RVPS-REMOTE-ANSWER"


async def test_what_is_no_rvps_stops_the_start() -> None:
    async with GrpcServer([Service("test.Other", {})], address="127.0.0.1:0") as server:
        with pytest.raises(RemoteError) as caught:
            await RemoteReferenceValues.connect(server.address, allow_sample=True)
    assert caught.value.code == "RVPS-REMOTE"
    assert server.address in caught.value.message


async def test_one_that_is_not_there_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "CONNECT_SECONDS", 0.2)
    with pytest.raises(UnreachableError) as caught:
        await RemoteReferenceValues.connect(f"127.0.0.1:{free_port()}", allow_sample=True)
    assert caught.value.code == "RVPS-UNREACHABLE"
    with pytest.raises(ConfigError):
        await RemoteReferenceValues.connect("nowhere:port", allow_sample=True)


async def test_one_that_went_away_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_module, "RECONNECT_SECONDS", 0.2)
    async with GrpcServer([answering()], address="127.0.0.1:0") as server:
        values = await RemoteReferenceValues.connect(server.address, allow_sample=True)
    with pytest.raises(UnreachableError) as caught:
        await values.query("svn")
    assert caught.value.code == "RVPS-UNREACHABLE"
    await values.close()


async def test_one_that_does_not_answer_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def query(data: bytes) -> bytes:
        if name_of(data) != client.PROBE:
            await asyncio.sleep(60)
        return b""

    async with connected(answering(QueryReferenceValue=query)) as values:
        monkeypatch.setattr(client, "CALL_SECONDS", 0.1)
        with pytest.raises(UnreachableError) as caught:
            await values.query_many(["svn", "launch"])
    assert caught.value.code == "RVPS-TIMEOUT"


async def test_a_broken_start_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[PeerAddress] = []
    close = channel_module.Channel.close

    async def closing(channel: channel_module.Channel) -> None:
        closed.append(channel.address)
        await close(channel)

    monkeypatch.setattr(channel_module.Channel, "close", closing)
    async with GrpcServer([Service("test.Other", {})], address="127.0.0.1:0") as server:
        with pytest.raises(RemoteError):
            await RemoteReferenceValues.connect(server.address, allow_sample=True)
    assert closed == [PeerAddress.parse(server.address)]


async def test_the_sample_extractor_is_refused_before_it_is_passed_on() -> None:
    passed_on: list[bytes] = []

    async def register(data: bytes) -> bytes:
        passed_on.append(data)
        return b""

    async with connected(answering(RegisterReferenceValue=register), allow_sample=False) as values:
        with pytest.raises(SampleRefusedError):
            await values.register(message({"svn": ["9"]}))
        with pytest.raises(MessageError):
            await values.register("junk")
        assert passed_on == []
        await values.register(message({}, kind="swid"))  # whatever the other one knows is for it to judge
        assert len(passed_on) == 1
