"""One service on both transports, called by the tools' caller and by grpcio itself."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import re
from typing import TYPE_CHECKING, Any

import grpc  # type: ignore[import-untyped]
import grpc.aio  # type: ignore[import-untyped]
import pytest
from attestack_common.errors import ConfigError
from attestation_protocol.stubs import confidential_data_hub_pb2 as pb
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from key_broker_client.guest_rpc import GrpcAddress, GuestCallError, peer, serve
from ttrpc_asyncio import Address, Code, Service, StatusError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from ttrpc_asyncio import CallContext

SEALED = "api.SealedSecretService"
RESOURCE = "api.GetResourceService"
MALFORMED = "failed to decode Protobuf message (send the message that the method takes) [RPC-MESSAGE]"
REQUEST = pb.GetResourceRequest(ResourcePath="kbs:///a/b/c")


class Hub:
    """Answers with what it was asked; the names say what else it does."""

    async def get_resource(self, request: pb.GetResourceRequest, context: CallContext) -> pb.GetResourceResponse:
        assert (context.service, context.method, context.metadata) == (RESOURCE, "GetResource", {})
        if request.ResourcePath == "refuse":
            raise StatusError(Code.INTERNAL, "no", code="TEST", advice="ask otherwise")
        if request.ResourcePath == "fail":
            raise ValueError("the secret is 42")
        if request.ResourcePath == "hang":
            await asyncio.sleep(60)
        return pb.GetResourceResponse(Resource=request.ResourcePath.encode())


def services() -> list[Service]:
    names = pb.DESCRIPTOR.services_by_name
    return [
        Service.from_descriptor(names["GetResourceService"], Hub()),
        Service.from_descriptor(names["SealedSecretService"], object()),
    ]


@pytest.fixture(params=["unix", "grpc"])
async def address(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    async with contextlib.AsyncExitStack() as running:
        if request.param == "unix":
            where = Address.parse(f"unix://{tmp_path / 'run' / 'hub.sock'}")
            await serve(running, where, services())
            yield str(where)
        else:
            server: Any = await serve(running, GrpcAddress("127.0.0.1:0"), services())
            yield server.address


async def refused(address: str, name: str, seconds: float = 10) -> GuestCallError:
    async with peer(address, seconds=seconds) as hub:
        request = pb.GetResourceRequest(ResourcePath=name)
        with pytest.raises(GuestCallError) as caught:
            await hub.unary(RESOURCE, "GetResource", request, pb.GetResourceResponse)
    return caught.value


async def test_a_call_is_answered(address: str) -> None:
    async with peer(address, seconds=10) as hub:
        answer = await hub.unary(RESOURCE, "GetResource", REQUEST, pb.GetResourceResponse)
    assert answer.Resource == b"kbs:///a/b/c"


async def test_a_refusal_keeps_its_text_its_code_and_its_advice(address: str) -> None:
    error = await refused(address, "refuse")
    assert (error.message, error.code, error.advice) == ("no", "TEST", "ask otherwise")


async def test_a_failure_of_ours_shows_nothing_of_itself(address: str) -> None:
    assert "42" not in str(await refused(address, "fail"))


async def test_a_call_that_hangs_is_given_up(address: str) -> None:
    assert re.fullmatch("(TTRPC|GRPC)-(DEADLINE|TIMEOUT|STATUS)", (await refused(address, "hang", 0.2)).code)


async def test_an_answer_of_another_form_is_an_error(address: str) -> None:
    async with peer(address, seconds=10) as hub:
        with pytest.raises(GuestCallError) as caught:  # the bytes of the answer are no message in themselves
            await hub.unary(RESOURCE, "GetResource", REQUEST, FileDescriptorSet)
    assert caught.value.code == "GUEST-CALL"


@pytest.mark.parametrize("where", ["unix://@attestack-nobody", "127.0.0.1:1", "http://127.0.0.1:1"])
async def test_a_peer_that_is_not_there_is_named(where: str) -> None:
    with pytest.raises(GuestCallError) as caught:
        async with peer(where, seconds=1):
            raise AssertionError
    assert caught.value.code in {"TTRPC-CONNECT", "GRPC-UNREACHABLE"}
    assert caught.value.advice


@contextlib.asynccontextmanager
async def grpcio() -> AsyncIterator[Any]:
    async with contextlib.AsyncExitStack() as running:
        server: Any = await serve(running, GrpcAddress("127.0.0.1:0"), services())
        yield await running.enter_async_context(grpc.aio.insecure_channel(server.address))


@pytest.mark.parametrize(
    ("method", "message", "status", "text"),
    [
        (f"/{RESOURCE}/GetResource", b"\xff", "INTERNAL", MALFORMED),
        (
            f"/{SEALED}/UnsealSecret",
            b"",
            "UNIMPLEMENTED",
            f"/{SEALED}/UnsealSecret is not supported [RPC-NOT-SUPPORTED]",
        ),
        (f"/{RESOURCE}/NoSuch", b"", "UNIMPLEMENTED", "Method not found!"),
    ],
)
async def test_what_differs_over_grpc(method: str, message: bytes, status: str, text: str) -> None:
    async with grpcio() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(method)(message, timeout=10)
    assert (caught.value.code().name, caught.value.details()) == (status, text)


async def test_without_grpcio_the_start_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    async with contextlib.AsyncExitStack() as running:
        with pytest.raises(ConfigError) as caught:
            await serve(running, GrpcAddress("127.0.0.1:0"), services())
    assert caught.value.code == "GRPC-MISSING"
