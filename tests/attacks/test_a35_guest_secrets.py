"""A35: no secret, token or key of the guest leaves its processes by another way than the one that it is asked for.

Real processes with the most talkative log: every secret of a whole run is searched for in what they wrote, in their
command lines and environments. Their memory stays out of core dumps, their files are their owner's.
"""

from __future__ import annotations

import base64
import json
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.guest_machine import INSECURE, SECRET, GuestMachine, Trustee
from tests.integration.independent_ttrpc_client import TtrpcClient, text
from tests.integration.processes import Finished, Program, run

if TYPE_CHECKING:
    from collections.abc import Iterator

TALKATIVE = {"RUST_LOG": "trace"}
AGENT = "attestation_agent.AttestationAgentService"


class World:
    """A trustee and a guest, after a run that gave and refused everything there is."""

    def __init__(self, trustee: Trustee, machine: GuestMachine) -> None:
        self.trustee = trustee
        self.machine = machine
        self.client_runs: list[Finished] = []
        self.token_documents: list[dict[str, str]] = []
        self._run()

    def _run(self) -> None:
        for path in ("default/key/1", "default/key/none", "%2e%2e/b/c"):
            self.machine.get(f"/cdh/resource/{path}")
        for kind in ("kbs", "nosuch"):
            status, body = self.machine.get(f"/aa/token?token_type={kind}")
            if status == 200:
                self.token_documents.append(json.loads(body))
        self.machine.get("/aa/evidence?runtime_data=xxxx")
        agent = TtrpcClient(str(self.machine.agent_socket))
        agent.call(AGENT, "GetToken", text(1, b"kbs"))
        agent.call(AGENT, "GetToken", b"\xff")
        agent.close()
        (self.trustee.folder / "bad").write_text("header.claims\nsignature-of-nobody")
        delete = ("delete-resource", "--path", "default/key/none")
        for flags in (("get-resource", "--path", "default/key/1"), ("config", *delete)):
            self.client_runs.append(self.client(*flags))
        self.client_runs.append(self.client("config", "--admin-token-file", "bad", *delete))

    def client(self, *arguments: str) -> Finished:
        trustee = self.trustee
        return run("kbs-client", "--url", trustee.url, *arguments, env=trustee.environment, cwd=trustee.folder)

    @property
    def programs(self) -> list[Program]:
        return [self.trustee.program, *self.machine.programs]

    @property
    def secrets(self) -> dict[str, list[str]]:
        """What must not be found, each in the forms that it could be written in."""
        keys = [*(document["tee_keypair"] for document in self.token_documents)]
        keys += [(self.trustee.home / name).read_text() for name in ("key", "token-key")]
        return {
            "resource": [SECRET.decode(), base64.b64encode(SECRET).decode().rstrip("="), SECRET.hex()],
            "attestation token": [part for document in self.token_documents for part in parts(document["token"])],
            "administrator's token": parts((self.trustee.home / "admin-token").read_text()),
            "refused credential": ["signature-of-nobody"],
            "session cookie": ["kbs-session-id="],
            "private key": [line for key in keys for line in key.splitlines() if not line.startswith("-----")],
        }


def parts(token: str) -> list[str]:
    """Claims and signature; the header of a token is the same for all."""
    return token.strip().split(".")[1:]


@pytest.fixture(scope="module", params=[False, True], ids=["three programs", "attestack guest"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    with (
        Trustee(folder, env=INSECURE | TALKATIVE) as trustee,
        GuestMachine(folder, trustee.url, one_process=request.param, env=TALKATIVE) as machine,
    ):
        yield World(trustee, machine)


def test_a35_the_run_gave_what_it_should(world: World) -> None:
    """Otherwise nothing could have leaked."""
    assert world.machine.get("/cdh/resource/default/key/1") == (200, SECRET)
    assert len(world.token_documents) == 1
    assert [done.status for done in world.client_runs] == [0, 1, 1]
    assert world.client_runs[0].stdout == base64.b64encode(SECRET).decode() + "\n"
    assert "resource given" in world.machine.logs
    assert world.client_runs[2].stderr.endswith(" [BROKER-CREDENTIAL]\n")
    assert all(len(needle) > 14 for needles in world.secrets.values() for needle in needles)


@pytest.mark.parametrize(
    "kind",
    ["resource", "attestation token", "administrator's token", "refused credential", "session cookie", "private key"],
)
def test_a35_no_log_holds_a_secret(world: World, kind: str) -> None:
    written = "".join(program.log + program.stdout for program in world.programs)
    written += "".join(done.stderr for done in world.client_runs)
    assert [needle for needle in world.secrets[kind] if needle in written] == []


def test_a35_no_command_line_or_environment_holds_a_secret(world: World) -> None:
    for program in world.programs:
        process = Path(f"/proc/{program.pid}")
        seen = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        assert [n for needles in world.secrets.values() for n in needles if n.encode() in seen] == []


def test_a35_processes_leave_no_core_and_make_private_files(world: World) -> None:
    for program in world.programs:
        process = Path(f"/proc/{program.pid}")
        assert re.search(r"^Max core file size +0 +0 ", (process / "limits").read_text(), re.MULTILINE)
        assert re.search(r"^Umask:\s+0077$", (process / "status").read_text(), re.MULTILINE)


def test_a35_files_and_sockets_are_their_owners(world: World) -> None:
    made = [*world.trustee.home.rglob("*"), world.machine.agent_socket, world.machine.hub_socket]
    assert {path.name for path in made} >= {"key", "key.pub", "token-key", "admin-token", "attestack.sqlite"}
    assert {path.name: stat.S_IMODE(path.stat().st_mode) & 0o077 for path in made} == dict.fromkeys(
        (path.name for path in made), 0
    )
