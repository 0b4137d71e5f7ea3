"""The hub put together, and the program around it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from typing import TYPE_CHECKING, Any

import pytest
from attestack_common import logs, process
from attestack_common.errors import ConfigError
from attestation_protocol import jwe
from attestation_protocol.stubs import confidential_data_hub_pb2 as pb
from confidential_data_hub import credentials, hub
from confidential_data_hub import main as program
from confidential_data_hub.config import AgentConfig, CredentialConfig, HubConfig, KbcConfig
from confidential_data_hub.errors import CredentialError
from confidential_data_hub.hub import Hub
from confidential_data_hub.kbc import cc
from key_broker_client.transport import Answer
from ttrpc_asyncio import AddressError, Client

from tests.unit.confidential_data_hub.agent import KEY, Agent, listening, unavailable
from tests.unit.key_broker_client.broker import Broker

if TYPE_CHECKING:
    from pathlib import Path

RESOURCE = "GET /kbs/v0/resource/default/key/1"


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    """The broker that the configuration names, whatever its URL."""
    peer = Broker(answers={RESOURCE: [Answer(200, jwe.encrypt(b"secret", KEY.public_key)) for _ in range(9)]})
    monkeypatch.setattr(cc, "HttpTransport", lambda _: peer)
    monkeypatch.setattr(logs, "configure", lambda _: None)  # the tests' own log stays as it is
    return peer


def config(agent_socket: str = "unix://@nobody", **more: Any) -> HubConfig:
    return HubConfig(kbc=KbcConfig("cc_kbc", "http://127.0.0.1:1"), aa=AgentConfig(agent_socket), **more)


async def test_without_credentials_it_starts_before_the_agent(broker: Broker) -> None:
    ready = await Hub.assemble(config(image={"work_dir": "/x"}))
    assert [service.name for service in ready.services] == ["api.GetResourceService"]
    await ready.close()
    assert (broker.seen, broker.closed) == ([], 1)


async def test_credentials_are_written_before_it_is_ready(
    tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "provision", functools.partial(credentials.provision, folder=tmp_path))
    wanted = (CredentialConfig("kbs:///default/key/1", str(tmp_path / "cred")),)
    agent = Agent()
    async with listening(tmp_path, agent) as address:
        ready = await Hub.assemble(config(address, credentials=wanted))
        await ready.close()
        assert (tmp_path / "cred").read_bytes() == b"secret"
        agent.error = unavailable()
        with pytest.raises(CredentialError) as caught:
            await Hub.assemble(config(address, credentials=wanted))
    assert caught.value.code == "AGENT-TOKEN"
    assert broker.closed == 2, "a start that fails closes what it opened"


async def test_it_serves_until_it_is_ended_and_leaves_nothing_behind(tmp_path: Path, broker: Broker) -> None:
    agent, socket = Agent(), tmp_path / "run" / "cdh.sock"
    async with listening(tmp_path, agent) as address:
        (tmp_path / "cdh.toml").write_text(
            f'socket = "unix://{socket}"\n[aa]\naa_socket = "{address}"\n[kbc]\nname = "cc_kbc"\nurl = "http://x"\n'
        )
        task = asyncio.create_task(program.serve(program.parser().parse_args(["-c", str(tmp_path / "cdh.toml")])))
        while not socket.exists():  # noqa: ASYNC110  # the path is what Kata waits for
            await asyncio.sleep(0.01)
        async with await Client.connect(f"unix://{socket}") as client:
            request = pb.GetResourceRequest(ResourcePath="kbs:///default/key/1")
            name = "api.GetResourceService"
            answer = await client.unary(name, "GetResource", request, pb.GetResourceResponse, timeout=5)
            assert answer.Resource == b"secret"
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert not socket.exists()
    assert broker.closed == 1


@pytest.mark.parametrize("socket", ["0.0.0.0:50000", "[::]:50000", "tcp://127.0.0.1:50000", "vsock://-1:1", "cdh.sock"])
async def test_only_what_others_cannot_reach_is_listened_on(tmp_path: Path, broker: Broker, socket: str) -> None:
    (tmp_path / "cdh.toml").write_text(f'socket = "{socket}"\n[kbc]\nname = "cc_kbc"\nurl = "http://x"\n')
    with pytest.raises(ConfigError) as caught:
        await program.serve(program.parser().parse_args(["-c", str(tmp_path / "cdh.toml")]))
    assert caught.value.code == "HUB-SOCKET"
    assert broker.seen == []


async def test_an_agents_address_that_is_none_stops_the_start(broker: Broker) -> None:
    with pytest.raises(AddressError):
        await Hub.assemble(config("aa.sock"))
    assert broker.seen == []


def test_without_a_file_environment_and_kernel_name_the_broker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(hub, "kernel_command_line", lambda: "agent.aa_kbc_params=cc_kbc::http://kernel:1")
    for variable in ("AA_KBC_PARAMS", "AA_SOCKET", "KBS_CERT"):
        monkeypatch.delenv(variable, raising=False)
    assert hub.load_config(None).kbc.url == "http://kernel:1"
    (tmp_path / "cdh.toml").write_text('[kbc]\nname = "cc_kbc"\nurl = "http://file"\n')
    assert hub.load_config(tmp_path / "cdh.toml").kbc.url == "http://file"
    monkeypatch.setenv("AA_KBC_PARAMS", "cc_kbc::http://environment")
    assert hub.load_config(None).kbc.url == "http://environment"


def test_main_runs_it_hardened(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []
    monkeypatch.setattr(process, "harden", lambda: steps.append("harden"))
    monkeypatch.setattr(process, "run", lambda _: steps.append("run"))
    program.main([])
    assert steps == ["harden", "run"]


def test_grpc_cdh_has_a_default_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(program, "serve", lambda _, default: seen.append(default))
    monkeypatch.setattr(process, "harden", lambda: None)
    monkeypatch.setattr(process, "run", lambda main: main())
    program.main_grpc([])
    program.main([])
    assert seen == ["127.0.0.1:50000", "unix:///run/confidential-containers/cdh.sock"]
