"""`ttrpc-aa-client` against a running agent, over both transports."""

from __future__ import annotations

import base64
import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from attestack_common import process
from attestack_common.errors import UsageError
from attestation_agent import client_tool
from attestation_agent.evidence import AgentEvidence
from attestation_agent.main import listen
from attestation_agent.service import agent_service
from attestation_agent.tokens import CocoAsTokens, Tokens
from attestation_protocol.stubs import attestation_agent_pb2 as pb
from attestation_protocol.tee import Tee
from key_broker_client.guest_rpc import GrpcAddress, GuestCallError, serve
from tee_attesters import Detected
from tee_attesters.sample import SampleAttester
from ttrpc_asyncio import Address, Service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class FixedTokens(CocoAsTokens):
    def __init__(self) -> None:
        """Needs no service."""

    async def token(self) -> str:
        return "a.b.c"


@pytest.fixture(params=["unix", "grpc"])
async def address(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    evidence = AgentEvidence(Detected(Tee.SAMPLE, SampleAttester("1"), {Tee.SAMPLE_DEVICE: SampleAttester("2")}))
    services = [agent_service(evidence, Tokens(None, FixedTokens()))]
    async with contextlib.AsyncExitStack() as running:
        if request.param == "unix":
            where = Address.parse(f"unix://{tmp_path / 'run' / 'aa.sock'}")
            await listen(running, where, services)
            yield str(where)
        else:
            server: Any = await listen(running, GrpcAddress("127.0.0.1:0"), services)
            yield f"http://{server.address}"


async def tool(address: str, *flags: str) -> None:
    await client_tool.run(client_tool.parser().parse_args(["-a", address, *flags]))


@pytest.mark.parametrize(
    ("flags", "printed"),
    [
        (("get-tee",), "sample"),
        (("get-additional-tees",), "sampledevice"),
        (("get-evidence", "-r", "eA=="), '{"svn":"1","report_data":"eA=="}'),
        (("get-additional-evidence", "-r", ""), '{"sampledevice":{"svn":"2","report_data":""}}'),
        (("get-token", "-t", "coco_as"), "a.b.c"),
        (
            ("extend-runtime-measurement", "-d", "d", "-o", "o", "-c", "c", "-p", "0"),
            "The agent does not record events: it was started without the event log.",
        ),
    ],
)
async def test_every_command_prints_the_answer(
    address: str, flags: tuple[str, ...], printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await tool(address, *flags)
    assert capsys.readouterr().out == f"{printed}\n"


async def test_a_refusal_is_the_agents_own(address: str) -> None:
    with pytest.raises(GuestCallError) as caught:
        await tool(address, "get-token", "-t", "kbs")
    assert (caught.value.code, caught.value.message) == (
        "AGENT-TOKEN",
        "[ERROR:attestation-agent] AA-KBC get token failed",
    )


class Extending:
    """An agent whose platform has registers."""

    def __init__(self) -> None:
        self.seen: list[pb.ExtendRuntimeMeasurementRequest] = []

    async def extend_runtime_measurement(
        self, request: pb.ExtendRuntimeMeasurementRequest, _: object
    ) -> pb.ExtendRuntimeMeasurementResponse:
        self.seen.append(request)
        results = {"ok": pb.OK, "not": pb.NOT_SUPPORTED}
        return pb.ExtendRuntimeMeasurementResponse(Result=results.get(request.Operation))


async def test_the_register_zero_is_sent_and_an_absent_one_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agent, where = Extending(), f"unix://{tmp_path / 'aa.sock'}"
    descriptor = pb.DESCRIPTOR.services_by_name["AttestationAgentService"]
    async with contextlib.AsyncExitStack() as running:
        await serve(running, Address.parse(where), [Service.from_descriptor(descriptor, agent)])
        await tool(where, "extend-runtime-measurement", "-d", "d", "-o", "ok", "-c", "c", "-p", "0")
        await tool(where, "extend-runtime-measurement", "-d", "d", "-o", "not", "-c", "c")
    assert [request.HasField("RegisterIndex") for request in agent.seen] == [True, False]
    assert capsys.readouterr().out == "Extended.\nThe platform does not support runtime measurement.\n"


@pytest.mark.parametrize(
    "flags",
    [
        ("get-evidence", "-r", "%"),
        ("get-evidence", "-r", base64.urlsafe_b64encode(b"\xff\xfe\xfd").decode()),
        ("extend-runtime-measurement", "-d", "d", "-o", "o", "-c", "c", "-p", "-1"),
        ("extend-runtime-measurement", "-d", "d", "-o", "o", "-c", "c", "-p", str(2**64)),
    ],
)
async def test_a_flag_that_cannot_be_sent_is_named(address: str, flags: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as caught:
        await tool(address, *flags)
    assert flags[-2] in {"-r", "-p"}
    assert caught.value.message.startswith("--")


def test_main_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []
    monkeypatch.setattr(process, "run", lambda _: steps.append("run"))
    client_tool.main(["get-tee"])
    assert steps == ["run"]
    assert client_tool.parser().parse_args(["get-tee"]).attestation_sock.endswith("/attestation-agent.sock")
