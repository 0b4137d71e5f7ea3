"""A confidential machine without a TEE, and a trustee beside it: all real processes on loopback."""

from __future__ import annotations

import contextlib
import http.client
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from tests.integration.processes import LOOPBACK, Program, Tcp, Unix, free_port, run

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

SECRET = b"the-secret-bytes"
ALLOW = 'package policy\nimport rego.v1\ndefault allow := false\nallow if data.plugin == "resource"\n'
INSECURE = {"ATTESTACK_INSECURE_SAMPLE_EVIDENCE": "1"}


class Trustee:
    """`trustee run`, with one secret at default/key/1 that every attested guest may have."""

    def __init__(self, folder: Path, *, env: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.home = folder / "trustee"
        self.port = free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        socket = f"{LOOPBACK}:{self.port}"
        self.environment = {"HOME": str(folder), "TRUSTEE_HOME": str(self.home)}
        variables = self.environment | (INSECURE if env is None else env)
        self.program = Program("trustee", "run", "--socket", socket, env=variables, ready=Tcp(self.port))

    def configure(self, *arguments: str) -> None:
        done = run("kbs-client", "--url", self.url, "config", *arguments, env=self.environment, cwd=self.folder)
        assert done.status == 0, done.stderr

    def store_secret(self) -> None:
        (self.folder / "secret").write_bytes(SECRET)
        (self.folder / "allow.rego").write_text(ALLOW)
        self.configure("set-resource", "--path", "default/key/1", "--resource-file", "secret")
        self.configure("set-resource-policy", "--policy-file", "allow.rego")

    def requests(self) -> int:
        """How many requests below `/kbs` have been answered so far."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request("GET", "/metrics")
            page = connection.getresponse().read().decode()
        return next(
            int(float(line.split()[1])) for line in page.splitlines() if line.startswith("kbs_http_requests_total")
        )

    def __enter__(self) -> Self:
        self.program.start()
        self.store_secret()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.program.__exit__(kind, error, trace)


@dataclass
class GuestMachine:
    """Agent, hub and REST server, or `attestack guest` in place of the first two."""

    folder: Path
    broker: str
    one_process: bool = False
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.agent_socket = self.folder / "aa.sock"
        self.hub_socket = self.folder / "cdh.sock"
        self.rest_port = free_port()
        agent, hub = self.folder / "aa.toml", self.folder / "cdh.toml"
        agent.write_text(f'[token_configs.kbs]\nurl = "{self.broker}"\n')
        hub.write_text(
            f'socket = "unix://{self.hub_socket}"\n[aa]\naa_socket = "unix://{self.agent_socket}"\n'
            f'[kbc]\nname = "cc_kbc"\nurl = "{self.broker}"\n'
        )
        a, c = f"unix://{self.agent_socket}", f"unix://{self.hub_socket}"
        rest = ("--bind", f"{LOOPBACK}:{self.rest_port}", "--cdh_addr", c, "--aa_addr", a, "--features", "all")
        if self.one_process:
            guest = ("guest", "-a", a, "-c", agent, "--cdh-config", hub)
            self.programs = [Program("attestack", *guest, ready=Unix(self.hub_socket), env=self.env)]
        else:
            flags = ("--attestation_sock", a, "-c", agent)
            self.programs = [
                Program("attestation-agent", *flags, ready=Unix(self.agent_socket), env=self.env),
                Program("confidential-data-hub", "-c", hub, ready=Unix(self.hub_socket), env=self.env),
            ]
        self.programs.append(Program("api-server-rest", *rest, ready=Tcp(self.rest_port), env=self.env))
        self._running = contextlib.ExitStack()

    @property
    def logs(self) -> str:
        return "".join(program.log for program in self.programs)

    def get(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(LOOPBACK, self.rest_port, timeout=60)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def __enter__(self) -> Self:
        for program in self.programs:
            self._running.enter_context(program)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.__exit__(kind, error, trace)
