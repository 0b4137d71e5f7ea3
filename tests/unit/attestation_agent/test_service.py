"""The agent's RPCs over a socket: the stock agent's texts, then what to do and the stable code."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

import grpc  # type: ignore[import-untyped]
import grpc.aio  # type: ignore[import-untyped]
import pytest
from attestation_agent.config import KbsTokenConfig
from attestation_agent.evidence import AgentEvidence
from attestation_agent.main import listen
from attestation_agent.service import agent_service, grpc_agent_service
from attestation_agent.tokens import KbsTokens, Tokens
from attestation_protocol.stubs import attestation_agent_pb2 as pb
from attestation_protocol.tee import Tee
from key_broker_client import AttestationToken
from key_broker_client.guest_rpc import GrpcAddress
from key_broker_client.tokens import REFUSED_TOKEN
from tee_attesters import Detected, EvidenceUnavailableError, InitDataMismatchError
from tee_attesters.sample import SampleAttester
from ttrpc_asyncio import Address, Client, Code, StatusError

from tests.conformance.recordings import ttrpc_recording
from tests.unit.key_broker_client.broker import Broker, refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SERVICE = "attestation_agent.AttestationAgentService"
ATTEST = "POST /kbs/v0/attest"


class Broken:
    """An attester whose platform gives nothing."""

    async def evidence(self, _: bytes) -> Any:
        raise EvidenceUnavailableError("the device is gone", advice="see the kernel's log")

    async def bind_init_data(self, _: bytes) -> bool:
        return False


@contextlib.asynccontextmanager
async def agent(
    folder: Path, *, broker: Broker | None = None, primary: Any = None, devices: Any = None
) -> AsyncIterator[Client]:
    """A running agent, and a client of it."""
    evidence = AgentEvidence(Detected(Tee.SAMPLE, primary or SampleAttester("1"), devices or {}))
    kbs = None
    if broker is not None:
        kbs = KbsTokens(KbsTokenConfig(url="http://127.0.0.1:1"), evidence, transport=lambda _: broker)
    address = Address.parse(f"unix://{folder / 'run' / 'aa.sock'}")
    async with contextlib.AsyncExitStack() as running:
        await listen(running, address, [agent_service(evidence, Tokens(kbs))])
        yield await running.enter_async_context(await Client.connect(address))


async def call(client: Client, method: str, request: bytes = b"", **metadata: list[str]) -> bytes:
    return await client.call(SERVICE, method, request, timeout=5, metadata=metadata)


async def status(client: Client, method: str, request: bytes = b"", service: str = SERVICE) -> tuple[Code, str]:
    with pytest.raises(StatusError) as caught:
        await client.call(service, method, request, timeout=5)
    return caught.value.status, caught.value.message


async def test_the_recorded_calls(tmp_path: Path) -> None:
    async with agent(tmp_path, broker=Broker()) as client:
        for recorded in ttrpc_recording("guest/aa-rpcs"):
            wanted = recorded.call
            if wanted.code:
                code, message = await status(client, wanted.method, wanted.request, recorded.service)
                assert code == wanted.code
                assert message.startswith(wanted.message)
                assert message[len(wanted.message) :].startswith((" (", " ["))
                assert message.endswith("]")
            elif wanted.method != "GetToken":
                assert await call(client, wanted.method, wanted.request) == wanted.response


async def test_a_token_is_got_over_the_socket(tmp_path: Path) -> None:
    broker = Broker()
    async with agent(tmp_path, broker=broker) as client:
        first, second = [await call(client, "GetToken", b"\n\x03kbs") for _ in range(2)]
        assert first == second
        document = pb.GetTokenResponse.FromString(first).Token
        assert list(json.loads(document)) == ["token", "tee_keypair"]
        token = AttestationToken.parse(document)
        third = await call(client, "GetToken", b"\n\x03kbs", **{REFUSED_TOKEN: [token.fingerprint]})
        renewed = AttestationToken.parse(pb.GetTokenResponse.FromString(third).Token)
        assert renewed.key.public_key != token.key.public_key
    assert broker.requests.count(ATTEST) == 2


async def test_a_brokers_refusal_is_told_on(tmp_path: Path) -> None:
    broker = Broker(answers={ATTEST: [refusal("AttestationError", "failed (look there) [SNP-DEBUG]"), refusal("X")]})
    async with agent(tmp_path, broker=broker) as client:
        code, message = await status(client, "GetToken", b"\n\x03kbs")
        assert code is Code.INTERNAL
        assert message == "[ERROR:attestation-agent] AA-KBC get token failed (look there) [SNP-DEBUG]"
        _, message = await status(client, "GetToken", b"\n\x03kbs")
        assert message.endswith(" [HANDSHAKE-REFUSED]")


async def test_a_platform_that_gives_nothing_is_told_of(tmp_path: Path) -> None:
    text = "[ERROR:attestation-agent] AA-KBC get evidence failed (see the kernel's log) [ATTESTER-EVIDENCE]"
    async with agent(tmp_path, primary=Broken(), devices={Tee.NVIDIA: Broken()}) as client:
        for method in ("GetEvidence", "GetAdditionalEvidence"):
            assert await status(client, method, b"\n\x01x") == (Code.INTERNAL, text)


async def test_devices_have_evidence_and_names(tmp_path: Path) -> None:
    async with agent(tmp_path, devices={Tee.SAMPLE_DEVICE: SampleAttester("2")}) as client:
        got = pb.GetEvidenceResponse.FromString(await call(client, "GetAdditionalEvidence", b"\n\x01x")).Evidence
        assert json.loads(got) == {"sampledevice": {"svn": "2", "report_data": "eA=="}}
        tees = pb.GetAdditionalTeesResponse.FromString(await call(client, "GetAdditionalTees"))
        assert list(tees.additional_tees) == ["sampledevice"]


async def test_what_the_transport_refuses_has_a_code_too(tmp_path: Path) -> None:
    async with agent(tmp_path) as client:
        assert await status(client, "Nothing") == (Code.UNIMPLEMENTED, "Nothing method [TTRPC-METHOD]")
        assert await status(client, "GetToken", b"\n\x03kbs") == (
            Code.INTERNAL,
            (
                "[ERROR:attestation-agent] AA-KBC get token failed "
                "(set token_configs.kbs.url, or agent.aa_kbc_params=cc_kbc::<url>) [AGENT-TOKEN]"
            ),
        )


async def test_a24_calls_of_any_bytes_are_answered(tmp_path: Path) -> None:
    async with agent(tmp_path, broker=Broker()) as client:
        for request in (b"\xff", b"\n\x7fx", b"\n\x00" * 1000, bytes(range(256))):
            results = await asyncio.gather(
                *(call(client, method, request) for method in ("GetToken", "GetEvidence", "ExtendRuntimeMeasurement")),
                return_exceptions=True,
            )
            assert {type(result) for result in results} <= {bytes, StatusError}
        assert await call(client, "GetTeeType") == b"\n\x06sample"


@contextlib.asynccontextmanager
async def grpc_agent(primary: Any = None) -> AsyncIterator[Any]:
    """A running agent on gRPC, and a channel to it."""
    evidence = AgentEvidence(Detected(Tee.SAMPLE, primary or SampleAttester("1"), {Tee.SAMPLE_DEVICE: Broken()}))
    services = [grpc_agent_service(evidence, Tokens(None))]
    async with contextlib.AsyncExitStack() as running:
        server: Any = await listen(running, GrpcAddress("127.0.0.1:0"), services)
        yield await running.enter_async_context(grpc.aio.insecure_channel(server.address))


async def ask(channel: Any, method: str, request: bytes = b"") -> tuple[str, Any]:
    try:
        return "OK", await channel.unary_unary(f"/{SERVICE}/{method}")(request, timeout=10)
    except grpc.aio.AioRpcError as error:
        return error.code().name, error.details()


async def test_all_seven_rpcs_over_grpc() -> None:
    async with grpc_agent() as channel:
        assert await ask(channel, "GetTeeType") == ("OK", b"\n\x06sample")
        assert await ask(channel, "GetAdditionalTees") == ("OK", b"\n\x0csampledevice")
        evidence = b'{"svn":"1","report_data":"eA=="}'
        assert await ask(channel, "GetEvidence", b"\n\x01x") == ("OK", b"\n" + bytes([len(evidence)]) + evidence)
        assert await ask(channel, "ExtendRuntimeMeasurement", b"\n\x01a") == ("OK", b"\x08\x02")
        assert await ask(channel, "BindInitData", b"\n\x20" + bytes(32)) == ("OK", b"")
        for method, text, code in [
            ("GetAdditionalEvidence", "AA get additional evidence failed", "see the kernel's log) [ATTESTER-EVIDENCE]"),
            ("GetToken", "AA get token failed", "ask for a token of kind kbs or coco_as) [AGENT-TOKEN]"),
        ]:
            status, said = await ask(channel, method)
            assert (status, said.startswith(f"[ERROR:attestation-agent] {text} (")) == ("INTERNAL", True)
            assert code in said


async def test_evidence_that_fails_has_grpcs_own_text() -> None:
    async with grpc_agent(Broken()) as channel:
        status, said = await ask(channel, "GetEvidence")
    assert (status, said.startswith("[ERROR:attestation-agent] AA get evidence failed (")) == ("INTERNAL", True)


class Binds(Broken):
    """A platform that was launched with 32 zero bytes."""

    async def bind_init_data(self, digest: bytes) -> bool:
        if digest != bytes(32):
            raise InitDataMismatchError("the field holds another digest")
        return True


@pytest.mark.parametrize(
    ("digest", "code"),
    [(b"\n\x20" + bytes(32), ""), (b"\n\x20" + b"1" * 32, "[AGENT-INIT-DATA-MISMATCH]"), (b"", "[AGENT-INIT-DATA]")],
)
async def test_a22_a_digest_that_is_not_the_platforms_is_not_bound(digest: bytes, code: str) -> None:
    async with grpc_agent(Binds()) as channel:
        status, said = await ask(channel, "BindInitData", digest)
    if not code:
        assert (status, said) == ("OK", b"")
        return
    assert (status, said.startswith("[ERROR:attestation-agent] AA binding init data failed ")) == ("INTERNAL", True)
    assert said.endswith(code)
