"""`attestack guest`: both sockets from one process, and the hub's tokens without a socket between."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
from attestack.verbs import guest
from attestack_common import logs, process
from attestack_common.errors import ConfigError, UsageError
from attestation_agent import tokens
from attestation_protocol.stubs import confidential_data_hub_pb2 as pb
from confidential_data_hub.kbc import cc
from ttrpc_asyncio import Client

from tests.unit.key_broker_client.broker import Broker

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    """The broker that both configurations name, whatever its URL."""
    peer = Broker()
    for module in (tokens, cc):
        monkeypatch.setattr(module, "HttpTransport", lambda _: peer)
    monkeypatch.setattr(logs, "configure", lambda _: None)  # the tests' own log stays as it is
    return peer


def parsed(*flags: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    guest.add_arguments(parser)
    return parser.parse_args(flags)


def configured(folder: Path, *flags: str, hub_socket: str = "") -> argparse.Namespace:
    socket = hub_socket or f"unix://{folder}/cdh.sock"
    (folder / "aa.toml").write_text('[token_configs.kbs]\nurl = "http://x"\n')
    (folder / "cdh.toml").write_text(f'socket = "{socket}"\n[kbc]\nname = "cc_kbc"\nurl = "http://x"\n')
    files = ("-c", str(folder / "aa.toml"), "--cdh-config", str(folder / "cdh.toml"))
    return parsed("-a", f"unix://{folder}/aa.sock", *files, *flags)


async def test_both_are_served_and_share_their_tokens(tmp_path: Path, broker: Broker) -> None:
    task = asyncio.create_task(guest.serve(configured(tmp_path)))
    while not (tmp_path / "cdh.sock").exists():  # noqa: ASYNC110  # the path is what Kata waits for
        await asyncio.sleep(0.01)
    async with await Client.connect(f"unix://{tmp_path}/cdh.sock") as client:
        request = pb.GetResourceRequest(ResourcePath="kbs:///default/key/1")
        name = "api.GetResourceService"
        for _ in range(2):
            answer = await client.unary(name, "GetResource", request, pb.GetResourceResponse, timeout=5)
            assert answer.Resource == b"the-secret-bytes"
    async with await Client.connect(f"unix://{tmp_path}/aa.sock") as client:
        await client.call("attestation_agent.AttestationAgentService", "GetToken", b"\n\x03kbs", timeout=5)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert broker.requests.count("POST /kbs/v0/attest") == 1
    assert not (tmp_path / "aa.sock").exists()
    assert not (tmp_path / "cdh.sock").exists()
    assert broker.closed == 2


async def test_only_unix_sockets_are_listened_on(tmp_path: Path, broker: Broker) -> None:
    with pytest.raises(ConfigError) as caught:
        await guest.serve(configured(tmp_path, hub_socket="tcp://0.0.0.0:1"))
    assert caught.value.code == "HUB-SOCKET"
    with pytest.raises(UsageError) as usage:
        await guest.serve(parsed("-a", "tcp://0.0.0.0:1"))
    assert usage.value.code == "AGENT-SOCKET"
    assert broker.seen == []


async def test_a_hub_that_does_not_start_takes_the_agent_with_it(tmp_path: Path, broker: Broker) -> None:
    (tmp_path / "cdh.sock").write_text("not a socket")
    with pytest.raises(Exception, match="what is there is not a socket"):
        await guest.serve(configured(tmp_path))
    assert not (tmp_path / "aa.sock").exists()
    assert broker.closed == 2


def test_it_runs_hardened(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []
    monkeypatch.setattr(process, "harden", lambda: steps.append("harden"))
    monkeypatch.setattr(process, "run", lambda _: steps.append("run"))
    guest.VERB.run(parsed())
    assert steps == ["harden", "run"]
