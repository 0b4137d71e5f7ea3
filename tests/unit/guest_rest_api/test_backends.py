"""Agent and hub behind the REST server: what is asked of them, and how their failures are told on."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from attestation_protocol.errors import wire_text_of
from attestation_protocol.stubs import attestation_agent_pb2 as aa
from attestation_protocol.stubs import confidential_data_hub_pb2 as cdh
from guest_rest_api import backends
from guest_rest_api.backends import Agent, Hub
from guest_rest_api.errors import BackendError
from ttrpc_asyncio import Address, CallContext, Code, Server, Service, StatusError

from tests.unit.ttrpc_asyncio.peer import RawPeer, raw_server, some_address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class Guest:
    """Answers with what it was asked; the token type and the resource `none` are refused."""

    def __init__(self) -> None:
        self.extended: list[aa.ExtendRuntimeMeasurementRequest] = []

    async def get_token(self, request: aa.GetTokenRequest, _: CallContext) -> aa.GetTokenResponse:
        if request.TokenType == "none":
            raise StatusError(Code.INTERNAL, "no token", code="AGENT-TOKEN", advice="ask for kbs")
        return aa.GetTokenResponse(Token=request.TokenType.encode())

    async def get_evidence(self, request: aa.GetEvidenceRequest, _: CallContext) -> aa.GetEvidenceResponse:
        return aa.GetEvidenceResponse(Evidence=b"p" + request.RuntimeData)

    async def get_additional_evidence(
        self, request: aa.GetAdditionalEvidenceRequest, _: CallContext
    ) -> aa.GetEvidenceResponse:
        return aa.GetEvidenceResponse(Evidence=b"a" + request.RuntimeData)

    async def extend_runtime_measurement(
        self, request: aa.ExtendRuntimeMeasurementRequest, _: CallContext
    ) -> aa.ExtendRuntimeMeasurementResponse:
        self.extended.append(request)
        return aa.ExtendRuntimeMeasurementResponse(Result=aa.NOT_SUPPORTED)

    async def get_tee_type(self, _: aa.GetTeeTypeRequest, __: CallContext) -> aa.GetTeeTypeResponse:
        return aa.GetTeeTypeResponse(tee="sample")

    async def get_additional_tees(
        self, _: aa.GetAdditionalTeesRequest, __: CallContext
    ) -> aa.GetAdditionalTeesResponse:
        return aa.GetAdditionalTeesResponse(additional_tees=["nvidia", "sampledevice"])

    async def get_resource(self, request: cdh.GetResourceRequest, _: CallContext) -> cdh.GetResourceResponse:
        if request.ResourcePath == "kbs:///none":
            raise StatusError(Code.INTERNAL, "Get Resource failed")
        return cdh.GetResourceResponse(Resource=request.ResourcePath.encode())


@contextlib.asynccontextmanager
async def served(folder: Path, guest: Guest) -> AsyncIterator[tuple[Agent, Hub]]:
    address = Address.parse(f"unix://{folder / 'guest.sock'}")
    services = [
        Service.from_descriptor(aa.DESCRIPTOR.services_by_name["AttestationAgentService"], guest),
        Service.from_descriptor(cdh.DESCRIPTOR.services_by_name["GetResourceService"], guest),
    ]
    agent, hub = Agent(address), Hub(address)
    async with Server(services, error_text=wire_text_of) as server:
        await server.start(address)
        yield agent, hub
        await agent.close()
        await hub.close()


async def test_each_question_reaches_its_peer(tmp_path: Path) -> None:
    guest = Guest()
    async with served(tmp_path, guest) as (agent, hub):
        assert await agent.token("kbs") == b"kbs"
        assert await agent.evidence(b"\xff") == b"p\xff"
        assert await agent.additional_evidence(b"\xff") == b"a\xff"
        assert await agent.tees() == ("sample", ["nvidia", "sampledevice"])
        assert await agent.extend("d", "o", "c") == 1
        assert await hub.resource("/a/b/c") == b"kbs:///a/b/c"
    (event,) = guest.extended
    assert (event.Domain, event.Operation, event.Content, event.HasField("RegisterIndex")) == ("d", "o", "c", False)


async def test_a_peers_failure_keeps_its_code_and_advice(tmp_path: Path) -> None:
    async with served(tmp_path, Guest()) as (agent, hub):
        with pytest.raises(BackendError) as caught:
            await agent.token("none")
        assert (caught.value.code, caught.value.advice) == ("AGENT-TOKEN", "ask for kbs")
        with pytest.raises(BackendError) as caught:
            await hub.resource("/none")
        assert (caught.value.code, caught.value.advice) == ("TTRPC-STATUS", "the log of the hub says why")


async def test_a_stock_peers_failure_gets_a_code(tmp_path: Path) -> None:
    address = Address.parse(f"unix://{tmp_path / 'stock.sock'}")
    hub = Hub(address)
    async with Server(
        [Service.from_descriptor(cdh.DESCRIPTOR.services_by_name["GetResourceService"], Guest())]
    ) as stock:
        await stock.start(address)
        with pytest.raises(BackendError) as caught:
            await hub.resource("/none")
        await hub.close()
    assert caught.value.code == "REST-BACKEND"


async def test_a_peer_that_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(peer: RawPeer) -> None:
        await peer.frame()
        await peer.at_end()

    monkeypatch.setattr(backends, "BACKEND_SECONDS", 0.05)
    address = some_address()
    async with raw_server(address, silent):
        agent = Agent(Address.parse(address))
        with pytest.raises(BackendError) as caught:
            await agent.token("kbs")
        await agent.close()
    assert caught.value.code == "REST-BACKEND-TIMEOUT"


async def test_a_peer_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BackendError) as caught:
        await Agent(Address.parse(f"unix://{tmp_path / 'nobody'}")).tees()
    assert caught.value.code == "REST-BACKEND-DOWN"
    assert str(tmp_path / "nobody") in caught.value.message
    assert caught.value.advice == "see that the agent runs"
