"""The agent put together: init-data, evidence with its time limit, and the command line."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from attestack_common.errors import UsageError
from attestation_agent import agent as module
from attestation_agent import evidence as evidence_module
from attestation_agent import tokens
from attestation_agent.agent import Agent
from attestation_agent.config import AgentConfig, KbsTokenConfig, TokenConfigs
from attestation_agent.errors import InitDataRefusedError
from attestation_agent.evidence import AgentEvidence
from attestation_agent.init_data import GivenInitData, from_digest, from_document
from attestation_agent.main import given_init_data, listening_address, parser
from attestation_protocol.rcar import Attestation
from attestation_protocol.tee import Tee
from key_broker_client.errors import HandshakeRefusedError
from key_broker_client.transport import Answer
from tee_attesters import Detected, EvidenceUnavailableError, InitDataMismatchError

from tests.unit.key_broker_client.broker import Broker, refusal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TOML = 'version = "0.1.0"\nalgorithm = "sha384"\n[data]\n'


@dataclass
class Platform:
    """An attester that binds one digest, and may be slow."""

    digest: bytes
    seconds: float = 0
    binds: bool = True

    async def evidence(self, report_data: bytes) -> Any:
        await asyncio.sleep(self.seconds)
        return {"data": report_data.hex()}

    async def bind_init_data(self, digest: bytes) -> bool:
        await asyncio.sleep(self.seconds)
        if digest != self.digest:
            raise InitDataMismatchError("host data differs")
        return self.binds


class SnpBroker(Broker):
    """Takes note of the init-data, and refuses the evidence."""

    init_data: str | None = None

    async def send(self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str]) -> Answer:
        assert (method, headers["content-type"]) == ("POST", "application/json")
        if path == "/kbs/v0/auth":
            return Answer(200, b'{"nonce":"x","extra-params":""}')
        init_data = Attestation.parse(body or b"").init_data
        self.init_data = None if init_data is None else init_data.body
        return refusal("AttestationError")


def machine(monkeypatch: pytest.MonkeyPatch, platform: Platform) -> None:
    monkeypatch.setattr(module, "detect", lambda *_: Detected(Tee.SNP, platform, {}))


async def test_a47_init_data_of_another_launch_ends_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, Platform(b"a" * 48))
    with pytest.raises(InitDataRefusedError) as caught:
        await Agent.assemble(AgentConfig(), GivenInitData(b"b" * 48))
    assert caught.value.code == "AGENT-INIT-DATA-MISMATCH"
    assert (await Agent.assemble(AgentConfig(), GivenInitData(b"a" * 48))).kbs_tokens is None


async def test_a_platform_that_does_not_check_in_time_ends_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, Platform(b"a" * 48, seconds=60))
    monkeypatch.setattr(evidence_module, "BIND_SECONDS", 0.02)
    with pytest.raises(InitDataRefusedError) as caught:
        await Agent.assemble(AgentConfig(), GivenInitData(b"a" * 48))
    assert caught.value.code == "AGENT-INIT-DATA"


async def test_only_a_document_goes_to_the_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, Platform(b"a" * 48))
    config = AgentConfig(token_configs=TokenConfigs(kbs=KbsTokenConfig(url="http://127.0.0.1:1")))
    for text in ("the document", None):
        broker = SnpBroker()
        monkeypatch.setattr(tokens, "HttpTransport", lambda _, broker=broker: broker)
        agent = await Agent.assemble(config, GivenInitData(b"a" * 48, text))
        assert agent.kbs_tokens is not None
        with pytest.raises(HandshakeRefusedError):
            await agent.kbs_tokens.token()
        await agent.close()
        assert broker.init_data == text
        assert broker.closed == 1


async def test_an_agent_without_a_broker_has_nothing_to_close() -> None:
    agent = await Agent.assemble(AgentConfig())
    assert agent.kbs_tokens is None
    await agent.close()


def test_without_a_file_environment_and_kernel_name_the_broker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AA_KBC_PARAMS", "cc_kbc::http://a:1")
    kbs = module.load_config(None).token_configs.kbs
    assert kbs is not None
    assert kbs.url == "http://a:1"
    (tmp_path / "aa.toml").write_text("")
    assert module.load_config(tmp_path / "aa.toml") == AgentConfig(), "with a file, only the file counts"
    monkeypatch.delenv("AA_KBC_PARAMS")
    monkeypatch.setattr(module, "kernel_command_line", lambda: "agent.aa_kbc_params=cc_kbc::http://b:1")
    kbs = module.load_config(None).token_configs.kbs
    assert kbs is not None
    assert kbs.url == "http://b:1"


async def test_a_platform_without_a_field_goes_on() -> None:
    assembled = await Agent.assemble(AgentConfig(), GivenInitData(b"a" * 48))
    assert assembled.service.name == "attestation_agent.AttestationAgentService"


def test_a_document_is_hashed_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "init.toml"
    path.write_text(TOML)
    assert from_document(path) == GivenInitData(hashlib.sha384(TOML.encode()).digest(), TOML)
    path.write_text(TOML.replace("sha384", "sha-384"))
    with pytest.raises(InitDataRefusedError) as caught:
        from_document(path)
    assert "sha-384" in caught.value.message
    assert "sha384" in caught.value.advice


@pytest.mark.parametrize("text", ["", "!", "YQ", base64.b64encode(b"x" * 31).decode()])
def test_a_digest_has_a_known_size(text: str) -> None:
    with pytest.raises(InitDataRefusedError) as caught:
        from_digest(text)
    assert caught.value.code == "AGENT-INIT-DATA"


def test_the_document_wins_over_the_digest(tmp_path: Path) -> None:
    path = tmp_path / "init.toml"
    path.write_text(TOML)
    digest = base64.b64encode(b"x" * 48).decode()
    both = given_init_data(parser().parse_args(["-i", digest, "-t", str(path)]))
    assert both is not None
    assert both.text == TOML
    assert given_init_data(parser().parse_args(["-i", digest])) == GivenInitData(b"x" * 48)
    assert given_init_data(parser().parse_args([])) is None


async def test_a_platform_that_hangs_is_given_up() -> None:
    evidence = AgentEvidence(Detected(Tee.SNP, Platform(b"", seconds=60), {}), seconds=0.02)
    with pytest.raises(EvidenceUnavailableError) as caught:
        await evidence.evidence(b"x")
    assert caught.value.code == "ATTESTER-EVIDENCE"


async def test_devices_are_collected_into_one_text() -> None:
    devices: dict[Tee, Any] = {Tee.NVIDIA: Platform(b""), Tee.SAMPLE_DEVICE: Platform(b"")}
    evidence = AgentEvidence(Detected(Tee.SNP, Platform(b""), devices))
    assert await evidence.additional_evidence(b"\x01") == '{"nvidia":{"data":"01"},"sampledevice":{"data":"01"}}'
    assert await AgentEvidence(Detected(Tee.SNP, Platform(b""), {})).additional_evidence(b"") == ""
    assert evidence.device_tees == ["nvidia", "sampledevice"]


def test_the_flags_are_the_stock_agents() -> None:
    arguments = parser().parse_args(["--attestation_sock", "unix:///a", "--config-file", "c", "--initdata-toml", "t"])
    assert (arguments.attestation_sock, str(arguments.config_file)) == ("unix:///a", "c")
    assert str(listening_address("unix://@aa")) == "unix://@aa"
    assert str(listening_address("127.0.0.1:50002")) == "127.0.0.1:50002"
    with pytest.raises(UsageError) as caught:
        listening_address("10.0.0.1:50002")
    assert "unix:///path" in caught.value.advice
