"""The program `attestation-agent` in this process: from its command line to its socket, and to its end."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
from attestack_common import logs, process
from attestack_common.errors import ConfigError, UsageError
from attestation_agent import main as program
from attestation_agent import tokens
from attestation_agent.agent import DEFAULT_SOCKET
from attestation_agent.errors import InitDataRefusedError
from ttrpc_asyncio import AddressError, Client

from tests.unit.key_broker_client.broker import Broker

if TYPE_CHECKING:
    from pathlib import Path

AGENT = "attestation_agent.AttestationAgentService"


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    """The broker that the configuration names, whatever its URL."""
    peer = Broker()
    monkeypatch.setattr(tokens, "HttpTransport", lambda _: peer)
    monkeypatch.setattr(logs, "configure", lambda _: None)  # the tests' own log stays as it is
    return peer


async def test_it_serves_until_it_is_ended_and_leaves_nothing_behind(tmp_path: Path, broker: Broker) -> None:
    (tmp_path / "aa.toml").write_text('[token_configs.kbs]\nurl = "http://127.0.0.1:1"\n')
    socket = tmp_path / "run" / "aa.sock"
    flags = ["-a", f"unix://{socket}", "-c", str(tmp_path / "aa.toml")]
    task = asyncio.create_task(program.serve(program.parser().parse_args(flags)))
    while not socket.exists():  # noqa: ASYNC110  # the path is what Kata waits for
        await asyncio.sleep(0.01)
    async with await Client.connect(f"unix://{socket}") as client:
        assert await client.call(AGENT, "GetTeeType", b"", timeout=5) == b"\n\x06sample"
        await client.call(AGENT, "GetToken", b"\n\x03kbs", timeout=5)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert not socket.exists()
    assert broker.requests == ["POST /kbs/v0/auth", "POST /kbs/v0/attest"]
    assert broker.closed == 1


@pytest.mark.parametrize(
    ("flags", "error", "code"),
    [
        (["-a", "0.0.0.0:50002"], UsageError, "AGENT-SOCKET"),
        (["-a", "localhost:50002"], UsageError, "AGENT-SOCKET"),
        (["-a", "tcp://0.0.0.0:50002"], UsageError, "AGENT-SOCKET"),
        (["-a", "vsock://-1:1"], UsageError, "AGENT-SOCKET"),
        (["-a", "unix:x"], UsageError, "AGENT-SOCKET"),
        (["-a", "unix://"], AddressError, "TTRPC-ADDRESS"),
        (["-c", "nowhere.toml"], ConfigError, "CONFIG-FILE"),
        (["-i", "!"], InitDataRefusedError, "AGENT-INIT-DATA"),
        (["-t", "nowhere.toml"], ConfigError, "FILE-READ"),
    ],
)
async def test_what_stops_the_start_is_one_of_our_errors(
    broker: Broker, flags: list[str], error: type[Exception], code: str
) -> None:
    with pytest.raises(error) as caught:
        await program.serve(program.parser().parse_args(flags))
    assert getattr(caught.value, "code", None) == code
    assert broker.seen == []


async def test_a35_a_folder_that_others_can_write_to_is_no_place_for_the_socket(tmp_path: Path, broker: Broker) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(0o777)
    with pytest.raises(ConfigError) as caught:
        await program.serve(program.parser().parse_args(["-a", f"unix://{tmp_path}/run/aa.sock"]))
    assert caught.value.code == "RUNTIME-DIR"
    assert broker.seen == []


def test_main_runs_it_hardened(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []
    monkeypatch.setattr(process, "harden", lambda: steps.append("harden"))
    monkeypatch.setattr(process, "run", lambda _: steps.append("run"))
    program.main([])
    assert steps == ["harden", "run"]


def test_grpc_aa_has_an_address_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(program, "serve", lambda arguments: seen.append(arguments.attestation_sock))
    monkeypatch.setattr(process, "harden", lambda: None)
    monkeypatch.setattr(process, "run", lambda main: main())
    program.main_grpc([])
    program.main_grpc(["-a", "unix://@aa"])
    program.main([])
    assert seen == ["127.0.0.1:50002", "unix://@aa", DEFAULT_SOCKET]
