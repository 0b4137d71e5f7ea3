"""A28 at the gRPC doors: whoever reaches a port chooses the extractor that believes anyone.

rvps        on a wider address: refused, unless its switch is set
grpc-as     on a wider address: refused, also when its RVPS listens on loopback and would believe it
kbs         open to everyone beyond loopback: refused, also when its attestation service would believe it
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

import pytest
from attestation_protocol.errors import code_of
from attestation_protocol.stubs.reference_pb2 import ReferenceValueQueryRequest, ReferenceValueRegisterRequest

from tests.conformance.grpc_replay import Answer, Client
from tests.integration.independent_rcar_client import Guest, new_key
from tests.integration.processes import Program, Tcp, free_port
from tests.unit.reference_value_provider.conftest import message

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERVICE: Final = "/reference.ReferenceValueProviderService"
SWITCH: Final = {"insecure_sample_reference_values": True}
WIDE: Final = "0.0.0.0"  # noqa: S104  # what the attack is about
LOOPBACK: Final = "127.0.0.1"

KBS: Final = """
{switch}
[http_server]
sockets = ["{host}:{port}"]
insecure_http = true
[attestation_token]
insecure_header_jwk = true
[attestation_service]
type = "coco_as_grpc"
as_addr = "http://127.0.0.1:{service}"
[admin]
authorization_mode = "InsecureAllowAll"
"""


class Programs:
    """Programs of one test, each on a port of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running = ExitStack()

    def start(self, name: str, flag: str, host: str, document: dict[str, Any]) -> int:
        port = free_port()
        config = self.folder / f"{name}.json"
        config.write_text(json.dumps(document))
        program = Program(name, "-c", config, flag, f"{host}:{port}", ready=Tcp(port))
        self.running.enter_context(program)
        return port


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    made = Programs(tmp_path)
    with made.running:
        yield made


def register(port: int) -> Answer:
    request = ReferenceValueRegisterRequest(message=message({"svn": ["9"]}))
    with Client(port) as client:
        return client.ask(f"{SERVICE}/RegisterReferenceValue", request.SerializeToString())


def value(port: int) -> bytes:
    request = ReferenceValueQueryRequest(reference_value_id="svn")
    with Client(port) as client:
        return client.ask(f"{SERVICE}/QueryReferenceValue", request.SerializeToString()).response


def refused(port: int) -> bool:
    answer = register(port)
    assert value(port) == (b"" if answer.code else b'\x0a\x05["9"]')
    assert (answer.code, code_of(answer.message)) in {(0, None), (10, "RVPS-SAMPLE-REFUSED")}
    return answer.code == 10


@pytest.mark.parametrize(
    ("host", "document", "stopped"), [(LOOPBACK, {}, False), (WIDE, {}, True), (WIDE, SWITCH, False)]
)
@pytest.mark.parametrize(("program", "flag"), [("rvps", "-a"), ("grpc-as", "-s")])
def test_a28_on_a_wider_address_the_sample_extractor_is_refused(
    programs: Programs,
    program: str,
    flag: str,
    host: str,
    document: dict[str, Any],
    stopped: bool,  # noqa: FBT001
) -> None:
    assert refused(programs.start(program, flag, host, document)) is stopped


@pytest.mark.parametrize(
    ("host", "switch", "stopped"), [(LOOPBACK, {}, False), (WIDE, {}, True), (WIDE, SWITCH, False)]
)
def test_a28_a_believing_rvps_behind_a_wider_service_is_not_reached(
    programs: Programs,
    host: str,
    switch: dict[str, Any],
    stopped: bool,  # noqa: FBT001
) -> None:
    rvps = programs.start("rvps", "-a", LOOPBACK, {})
    remote = {"rvps_config": {"type": "GrpcRemote", "address": f"127.0.0.1:{rvps}"}}
    assert refused(programs.start("grpc-as", "-s", host, remote | switch)) is stopped
    assert (value(rvps) == b"") is stopped


@pytest.mark.parametrize(
    ("host", "switch", "stopped"),
    [(LOOPBACK, "", False), (WIDE, "", True), (WIDE, "insecure_sample_reference_values = true", False)],
)
def test_a28_a_broker_that_is_open_to_everyone_does_not_pass_it_on(
    programs: Programs,
    host: str,
    switch: str,
    stopped: bool,  # noqa: FBT001
) -> None:
    service, port = programs.start("grpc-as", "-s", LOOPBACK, {}), free_port()
    config = programs.folder / "kbs.toml"
    config.write_text(KBS.format(switch=switch, host=host, port=port, service=service))
    programs.running.enter_context(Program("kbs", "--config-file", config, ready=Tcp(port)))
    caller = Guest(f"http://127.0.0.1:{port}", new_key("P-256"))
    answer = caller.send("POST", "/kbs/v0/reference-value", message({"svn": ["9"]}).encode())
    caller.close()
    code = code_of(answer.json["detail"]) if answer.body else None
    assert (answer.status, code) == ((401, "RVPS-SAMPLE-REFUSED") if stopped else (200, None))
    assert (value(service) == b"") is stopped
