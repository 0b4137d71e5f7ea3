"""The guest's programs as processes: a client written from the published facts, and workloads over HTTP."""

from __future__ import annotations

import base64
import json
import re
import stat
from typing import TYPE_CHECKING

import pytest

from tests.conformance.recordings import ttrpc_recording
from tests.integration.guest_machine import SECRET, GuestMachine, Trustee
from tests.integration.independent_ttrpc_client import TtrpcClient, fields, first, text
from tests.integration.processes import Program, Unix, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AGENT = "attestation_agent.AttestationAgentService"
HUB = "api.GetResourceService"


@pytest.fixture(scope="module")
def trustee(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trustee]:
    with Trustee(tmp_path_factory.mktemp("trustee")) as running:
        yield running


@pytest.fixture(scope="module", params=[False, True], ids=["three programs", "attestack guest"])
def machine(
    request: pytest.FixtureRequest, trustee: Trustee, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GuestMachine]:
    folder = tmp_path_factory.mktemp("guest")
    with GuestMachine(folder, trustee.url, one_process=request.param) as running:
        yield running


@pytest.fixture
def agent(machine: GuestMachine) -> Iterator[TtrpcClient]:
    client = TtrpcClient(str(machine.agent_socket))
    yield client
    client.close()


@pytest.fixture
def hub(machine: GuestMachine) -> Iterator[TtrpcClient]:
    client = TtrpcClient(str(machine.hub_socket))
    yield client
    client.close()


def test_evidence_token_and_tee_type(agent: TtrpcClient) -> None:
    assert first(fields(agent.call(AGENT, "GetTeeType").payload), 1) == b"sample"
    evidence = first(fields(agent.call(AGENT, "GetEvidence", text(1, b"0123456789")).payload), 1)
    assert evidence == b'{"svn":"1","report_data":"MDEyMzQ1Njc4OQ=="}'
    document = json.loads(first(fields(agent.call(AGENT, "GetToken", text(1, b"kbs")).payload), 1))
    assert document["tee_keypair"].startswith("-----BEGIN PRIVATE KEY-----\n")
    claims = json.loads(base64.urlsafe_b64decode(document["token"].split(".")[1] + "=="))
    assert "sample" in claims["submods"]["cpu0"]["ear.veraison.annotated-evidence"]


def test_the_recorded_calls_of_the_agent(agent: TtrpcClient) -> None:
    for recorded in ttrpc_recording("guest/aa-rpcs"):
        call = recorded.call
        answer = agent.call(recorded.service, call.method, call.request)
        assert answer.code == call.code, recorded
        if call.code:
            assert re.fullmatch(re.escape(call.message) + r"( \([^()]+\))? \[[A-Z-]+\]", answer.message)
        elif call.method != "GetToken":
            assert answer.payload == call.response


def test_the_recorded_calls_for_resources(hub: TtrpcClient) -> None:
    calls = [recorded for recorded in ttrpc_recording("guest/cdh-rpcs") if recorded.service == HUB]
    assert len(calls) == 8
    for recorded in calls:
        call = recorded.call
        answer = hub.call(recorded.service, call.method, call.request)
        assert answer.code == call.code, recorded
        if call.code:
            assert re.fullmatch(re.escape(call.message) + r"( \([^()]+\))? \[[A-Z-]+\]", answer.message)
        else:
            assert answer.payload == call.response


def test_a_token_is_got_once_for_many_resources(machine: GuestMachine, hub: TtrpcClient, trustee: Trustee) -> None:
    before = trustee.program.log.count("attested")
    for _ in range(20):
        answer = hub.call(HUB, "GetResource", text(1, b"kbs:///default/key/1"))
        assert first(fields(answer.payload), 1) == SECRET
    assert trustee.program.log.count("attested") - before <= 1
    assert SECRET.decode() not in machine.logs


def test_a_kept_token_costs_nothing_and_a_resource_one_request(
    agent: TtrpcClient, hub: TtrpcClient, trustee: Trustee
) -> None:
    uri = text(1, b"kbs:///default/key/1")
    token = agent.call(AGENT, "GetToken", text(1, b"kbs")).payload
    assert first(fields(hub.call(HUB, "GetResource", uri).payload), 1) == SECRET
    before = trustee.requests()
    assert agent.call(AGENT, "GetToken", text(1, b"kbs")).payload == token
    assert trustee.requests() == before
    for asked in (1, 2, 3):
        assert first(fields(hub.call(HUB, "GetResource", uri).payload), 1) == SECRET
        assert trustee.requests() == before + asked


def test_a_workload_gets_its_secret(machine: GuestMachine) -> None:
    assert machine.get("/cdh/resource/default/key/1") == (200, SECRET)
    assert machine.get("/aa/evidence?runtime_data=xxxx") == (200, b'{"svn":"1","report_data":"eHh4eA=="}')
    status, body = machine.get("/info")
    assert status == 200
    assert json.loads(body)["tee"] == "sample"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("default/key/none", "RESOURCE-MISSING"),
        ("%2e%2e/b/c", "RESOURCE-PATH"),
        ("default//1", "RESOURCE-PATH"),
        ("", "RESOURCE-PATH"),
        ("a/b", "RESOURCE-PATH"),
    ],
)
def test_a30_a_workload_is_told_why_it_gets_nothing(machine: GuestMachine, path: str, code: str) -> None:
    status, body = machine.get(f"/cdh/resource/{path}")
    assert status == 500
    assert body.startswith(b"ttrpc request error (")
    assert body.endswith(f" [{code}]".encode())


def test_sockets_are_for_their_owner_alone(machine: GuestMachine) -> None:
    for path in (machine.agent_socket, machine.hub_socket):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_guest_recovers_from_a_broker_that_lost_its_keys(tmp_path: Path) -> None:
    with Trustee(tmp_path / "trustee") as trustee, GuestMachine(tmp_path, trustee.url) as machine:
        assert machine.get("/cdh/resource/default/key/1") == (200, SECRET)
        trustee.program.stop()
        (trustee.home / "token-key").unlink()
        trustee.program.start()
        assert machine.get("/cdh/resource/default/key/1") == (200, SECRET)


def test_a_guest_outlives_its_agent_and_its_hub(tmp_path: Path) -> None:
    with Trustee(tmp_path / "trustee") as trustee, GuestMachine(tmp_path, trustee.url) as machine:
        assert machine.get("/cdh/resource/default/key/1") == (200, SECRET)
        agent, hub, _ = machine.programs
        agent.restart()
        hub.restart()
        assert machine.get("/cdh/resource/default/key/1") == (200, SECRET)
        hub.stop()
        status, body = machine.get("/cdh/resource/default/key/1")
        assert (status, body.endswith(b" [REST-BACKEND-DOWN]")) == (500, True)
        hub.start()


@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [
        ("attestation-agent", ("-a", "0.0.0.0:50002"), "AGENT-SOCKET"),
        ("attestation-agent", ("-a", "unix:x"), "AGENT-SOCKET"),
        ("attestation-agent", ("-a", "tcp://0.0.0.0:50002"), "AGENT-SOCKET"),
        ("attestation-agent", ("-a", "unix://"), "TTRPC-ADDRESS"),
        ("attestation-agent", ("-c", "nowhere.toml"), "CONFIG"),
        ("attestation-agent", ("-i", "!"), "AGENT-INIT-DATA"),
        ("confidential-data-hub", ("-c", "nowhere.toml"), "CONFIG"),
        ("api-server-rest", ("-b", "0.0.0.0:8006"), "REST-BIND"),
        ("api-server-rest", ("-c", "x"), "TTRPC-ADDRESS"),
    ],
)
def test_a_mistake_is_one_line_and_what_to_do(tmp_path: Path, name: str, arguments: tuple[str, ...], code: str) -> None:
    done = run(name, *arguments, cwd=tmp_path)
    assert done.status == 1
    assert code in done.stderr
    assert "Traceback" not in done.stderr


PROGRAMS = (
    *("attestation-agent", "ttrpc-aa", "grpc-aa", "ttrpc-aa-client", "evidence_getter"),
    *("confidential-data-hub", "ttrpc-cdh", "grpc-cdh", "ttrpc-cdh-tool", "grpc-cdh-tool", "cdh-oneshot"),
    "api-server-rest",
)


@pytest.mark.parametrize("name", PROGRAMS)
def test_versions_and_help(name: str) -> None:
    assert "0.1.0" in run(name, "-V").stdout
    assert "usage:" in run(name, "--help").stdout
    assert run(name, "--nosuch").status == 2


def test_an_abstract_socket_is_listened_on(tmp_path: Path) -> None:
    name = f"@attestack-test-{tmp_path.name}"
    with Program("attestation-agent", "-a", f"unix://{name}", ready=Unix(name), cwd=tmp_path) as program:
        client = TtrpcClient("\0" + name[1:])
        assert first(fields(client.call(AGENT, "GetTeeType").payload), 1) == b"sample"
        assert client.call(AGENT, "GetToken", text(1, b"kbs")).message.endswith("[AGENT-TOKEN]")
        client.close()
        assert "sample evidence" in program.log
