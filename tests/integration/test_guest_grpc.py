"""Agent and hub on gRPC, on files, with tokens of an attestation service; and the tools: all as real processes."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attestation_protocol.token import UnverifiedToken

from tests.conformance.grpc_replay import Client
from tests.integration.guest_machine import INSECURE, SECRET, GuestMachine, Trustee
from tests.integration.independent_ttrpc_client import text
from tests.integration.processes import LOOPBACK, Finished, Program, Tcp, Unix, environment, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

AGENT_TOOL = "attestation_agent.client_tool"
HUB_TOOL = "confidential_data_hub.tools.hub_tool"
ONESHOT = "confidential_data_hub.tools.oneshot"
GET = "/api.GetResourceService/GetResource"
URI = "kbs:///default/key/1"


def tool(module: str, *arguments: str | Path, env: dict[str, str] | None = None) -> Finished:
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, env=environment(env), capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr
    return Finished(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def trustee(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trustee]:
    with Trustee(tmp_path_factory.mktemp("trustee")) as running:
        yield running


@pytest.fixture(scope="module")
def machine(trustee: Trustee, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuestMachine]:
    with GuestMachine(tmp_path_factory.mktemp("guest"), trustee.url) as running:
        yield running


@pytest.fixture(scope="module")
def one_process(trustee: Trustee, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """`attestack guest` with both of its sockets on gRPC; the ports of agent and hub."""
    folder, agent, hub = tmp_path_factory.mktemp("grpc"), free_port(), free_port()
    (folder / "aa.toml").write_text(f'[token_configs.kbs]\nurl = "{trustee.url}"\n')
    (folder / "cdh.toml").write_text(f'socket = "{LOOPBACK}:{hub}"\n[kbc]\nname = "cc_kbc"\nurl = "{trustee.url}"\n')
    flags = ("-a", f"{LOOPBACK}:{agent}", "-c", folder / "aa.toml", "--cdh-config", folder / "cdh.toml")
    with Program("attestack", "guest", *flags, ready=Tcp(hub)):
        yield agent, hub


def test_a_secret_comes_over_grpc(one_process: tuple[int, int]) -> None:
    agent, hub = one_process
    with Client(hub) as client:
        answer = client.ask(GET, text(1, URI.encode()))
    assert (answer.code, answer.response) == (0, text(1, SECRET))
    for address in (f"http://{LOOPBACK}:{hub}", f"{LOOPBACK}:{hub}"):
        done = tool(HUB_TOOL, "-s", address, "get-resource", "-r", URI)
        assert (done.status, base64.b64decode(done.stdout)) == (0, SECRET)
    token = json.loads(tool(AGENT_TOOL, "-a", f"http://{LOOPBACK}:{agent}", "get-token", "-t", "kbs").stdout)
    assert UnverifiedToken.parse(token["token"]).claims["submods"]["cpu0"]


def test_the_tools_speak_ttrpc_and_show_refusals(machine: GuestMachine, tmp_path: Path) -> None:
    assert tool(AGENT_TOOL, "-a", f"unix://{machine.agent_socket}", "get-tee").stdout == "sample\n"
    hub = f"unix://{machine.hub_socket}"
    assert base64.b64decode(tool(HUB_TOOL, "-s", hub, "get-resource", "-r", URI).stdout) == SECRET
    (tmp_path / "sealed").write_text("sealed.x.y.z")
    calls: list[tuple[tuple[str | Path, ...], str]] = [
        (("get-resource", "-r", "kbs:///default/key/none"), "[CDH] [ERROR]: Get Resource failed [RESOURCE-MISSING]"),
        (
            ("unseal-secret", "-s", tmp_path / "sealed"),
            "api.SealedSecretService service does not exist [TTRPC-SERVICE]",
        ),
        (("unseal-secret", "-s", tmp_path / "nowhere"), "cannot be read"),
    ]
    for arguments, said in calls:
        done = tool(HUB_TOOL, "-s", hub, *arguments)
        assert (done.status, done.stdout, said in done.stderr) == (1, "", True), done.stderr


def test_a_program_on_ttrpc_does_not_load_grpc(machine: GuestMachine) -> None:
    for program in machine.programs:
        assert "cygrpc" not in Path(f"/proc/{program.pid}/maps").read_text()


def test_a_program_on_grpc_ends_in_order(tmp_path: Path) -> None:
    port = free_port()
    program = Program("attestation-agent", "-a", f"{LOOPBACK}:{port}", ready=Tcp(port), cwd=tmp_path).start()
    with Client(port) as client:
        answer = client.ask("/attestation_agent.AttestationAgentService/GetTeeType", b"")
        assert answer.response == text(1, b"sample")
        assert program.stop() == 0
    again = Program("attestation-agent", "-a", f"{LOOPBACK}:{port}", ready=Tcp(port), cwd=tmp_path)
    with again, Program("attestation-agent", "-a", f"{LOOPBACK}:{port}", cwd=tmp_path) as second:
        assert second.wait() == 1
        assert "LISTEN" in second.log


def test_an_attestation_service_gives_tokens(tmp_path: Path) -> None:
    service, agent = free_port(), free_port()
    config = tmp_path / "aa.toml"
    config.write_text(f'[token_configs.coco_as]\nurl = "http://{LOOPBACK}:{service}/"\n')
    flags = ("-a", f"{LOOPBACK}:{agent}", "-c", config)
    address = f"http://{LOOPBACK}:{agent}"
    with Program("attestation-agent", *flags, ready=Tcp(agent)) as program:
        down = tool(AGENT_TOOL, "-a", address, "get-token", "-t", "coco_as")
        assert (down.status, "[BROKER-UNREACHABLE]" in down.stderr) == (1, True), down.stderr
        with Program("restful-as", "-s", f"{LOOPBACK}:{service}", ready=Tcp(service), env=INSECURE):
            done = tool(AGENT_TOOL, "-a", address, "get-token", "-t", "coco_as")
        assert "bound to no key" in program.log
    assert done.status == 0, done.stderr
    claims = UnverifiedToken.parse(done.stdout.strip()).claims["submods"]["cpu0"]["ear.veraison.annotated-evidence"]
    assert (claims["report_data"], claims["runtime_data_claims"], claims["sample"]["svn"]) == ("", None, "1")


def test_a_hub_on_files_needs_nobody(tmp_path: Path) -> None:
    socket, config = tmp_path / "cdh.sock", tmp_path / "cdh.toml"
    config.write_text(f'socket = "unix://{socket}"\n[kbc]\nname = "offline_fs_kbc"\nurl = "null"\n')
    resources = tmp_path / "resources.json"
    env = {"OFFLINE_FS_KBC_EXTRA_FILE_PATH": str(resources)}
    hub = f"unix://{socket}"
    with Program("confidential-data-hub", "-c", config, ready=Unix(socket), env=env) as program:
        missing = tool(HUB_TOOL, "-s", hub, "get-resource", "-r", URI)
        assert "[HUB-OFFLINE-MISSING]" in missing.stderr
        resources.write_text(json.dumps({"default/key/1": base64.b64encode(SECRET).decode()}))
        assert base64.b64decode(tool(HUB_TOOL, "-s", hub, "get-resource", "-r", URI).stdout) == SECRET
        resources.write_text(base64.b64encode(SECRET).decode())
        broken = tool(HUB_TOOL, "-s", hub, "get-resource", "-r", URI)
        assert "[HUB-OFFLINE-FILE]" in broken.stderr
        assert "without attestation" in program.log
        assert SECRET.decode() not in program.log
        assert base64.b64encode(SECRET).decode() not in program.log + broken.stderr
    resources.write_text(json.dumps({"default/key/1": base64.b64encode(SECRET).decode()}))
    done = tool(ONESHOT, "-c", config, "get-resource", "-r", URI, env=env)
    assert (done.status, base64.b64decode(done.stdout)) == (0, SECRET)
