"""The recorded calls of the stock agent and the stock hub, asked of our programs: over ttRPC as they were, over gRPC as
the reference says that the answers differ there.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest
from attestation_protocol.errors import code_of, text_of

from tests.conformance import wire_table
from tests.conformance.grpc_replay import Answer, Client
from tests.conformance.recordings import ttrpc_recording
from tests.integration.guest_machine import GuestMachine, Trustee
from tests.integration.independent_ttrpc_client import TtrpcClient, fields, first
from tests.integration.processes import LOOPBACK, Program, Tcp, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conformance.recordings import FramedCall

AGENT: Final = "attestation_agent.AttestationAgentService"
HUB: Final = "api.GetResourceService"
NOT_OFFERED: Final = "UnsealSecret, SecureMount, PullImage, UnWrapKey"
"""The row of docs/differences.d/hub.md."""
INTERNAL: Final = 13
UNIMPLEMENTED: Final = 12

GRPC_ANSWERS: Final = {
    10: (INTERNAL, "[ERROR:attestation-agent] AA get token failed", "AGENT-TOKEN"),
    11: (INTERNAL, "[ERROR:attestation-agent] AA get token failed", "AGENT-TOKEN"),
    12: (INTERNAL, "[ERROR:attestation-agent] AA get token failed", "AGENT-TOKEN"),
    16: (0, "", None),
    17: (INTERNAL, "[ERROR:attestation-agent] AA binding init data failed", "AGENT-INIT-DATA"),
    18: (UNIMPLEMENTED, "Method not found!", None),
    19: (UNIMPLEMENTED, "Method not found!", None),
    20: (INTERNAL, "failed to decode Protobuf message", "RPC-MESSAGE"),
}
"""By step of `guest/aa-rpcs`: status, text and code over gRPC, where they are others than over ttRPC."""


@pytest.fixture(scope="module")
def trustee(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trustee]:
    with Trustee(tmp_path_factory.mktemp("trustee")) as running:
        yield running


@pytest.fixture(scope="module")
def machine(trustee: Trustee, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuestMachine]:
    with GuestMachine(tmp_path_factory.mktemp("guest"), trustee.url) as running:
        yield running


@pytest.fixture(scope="module")
def agent_port(machine: GuestMachine) -> Iterator[int]:
    """A second agent, which listens on gRPC."""
    port = free_port()
    flags = ("-a", f"{LOOPBACK}:{port}", "-c", machine.folder / "aa.toml")
    with Program("attestation-agent", *flags, ready=Tcp(port)):
        yield port


@pytest.fixture(scope="module")
def hub_port(machine: GuestMachine, trustee: Trustee) -> Iterator[int]:
    """A second hub, which listens on gRPC."""
    port = free_port()
    config = machine.folder / "grpc-cdh.toml"
    config.write_text(
        f'socket = "{LOOPBACK}:{port}"\n[aa]\naa_socket = "unix://{machine.agent_socket}"\n'
        f'[kbc]\nname = "cc_kbc"\nurl = "{trustee.url}"\n'
    )
    with Program("confidential-data-hub", "-c", config, ready=Tcp(port)):
        yield port


def difference(recorded: FramedCall, answer: Answer) -> str:
    """What is not as recorded; a token has another signature each time, so its members are compared."""
    call = recorded.call
    if (answer.code, text_of(answer.message)) != (call.code, call.message):
        return f"{answer.code} {answer.message}"
    if call.method == "GetToken" and not call.code:
        ours, theirs = (json.loads(first(fields(one), 1)) for one in (answer.response, call.response))
        return "" if list(ours) == list(theirs) else f"members {list(ours)}"
    return "" if answer.response == call.response else answer.response.hex()


@pytest.mark.parametrize("name", ["guest/aa-rpcs", "guest/cdh-rpcs"])
def test_our_programs_answer_over_ttrpc_as_recorded(name: str, machine: GuestMachine) -> None:
    client = TtrpcClient(str(machine.agent_socket if name == "guest/aa-rpcs" else machine.hub_socket))
    differing = []
    for step, recorded in enumerate(ttrpc_recording(name)):
        call = recorded.call
        got = client.call(recorded.service, call.method, call.request)
        found = difference(recorded, Answer(got.code, got.message, got.payload))
        row = NOT_OFFERED if recorded.service not in {AGENT, HUB, "no.such.Service"} else ""
        what = f"{recorded.service}/{call.method}"
        wire_table.add(name, step, "our program", what, difference=found, allowed_by=row if found else "")
        if found:
            differing.append(what)
            assert got.message.endswith(" service does not exist [TTRPC-SERVICE]")
            assert row
    client.close()
    assert len(differing) == {"guest/aa-rpcs": 0, "guest/cdh-rpcs": 8}[name]


def test_our_agent_answers_all_seven_rpcs_over_grpc(agent_port: int) -> None:
    asked = set()
    with Client(agent_port) as client:
        for step, recorded in enumerate(ttrpc_recording("guest/aa-rpcs")):
            answer = client.replay(recorded.service, recorded.call)
            asked.add(recorded.call.method)
            if step not in GRPC_ANSWERS:
                found = difference(recorded, answer)
                what = f"{recorded.service}/{recorded.call.method}, over gRPC"
                wire_table.add("guest/aa-rpcs", step, "our program", what, difference=found)
                assert found == ""
                continue
            assert (answer.code, text_of(answer.message), code_of(answer.message)) == GRPC_ANSWERS[step], step
            assert answer.response == b""
    assert len(asked - {"NoSuchMethod"}) == 7


def test_our_hub_answers_over_grpc(hub_port: int) -> None:
    with Client(hub_port) as client:
        for step, recorded in enumerate(ttrpc_recording("guest/cdh-rpcs")):
            answer = client.replay(recorded.service, recorded.call)
            if recorded.service != HUB or recorded.call.method != "GetResource":
                assert answer == Answer(UNIMPLEMENTED, "Method not found!", b""), step
                continue
            found = difference(recorded, answer)
            what = f"{recorded.service}/{recorded.call.method}, over gRPC"
            wire_table.add("guest/cdh-rpcs", step, "our program", what, difference=found)
            assert found == ""
            if answer.code:
                assert code_of(answer.message), step
