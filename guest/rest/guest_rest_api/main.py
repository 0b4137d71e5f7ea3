"""The program `api-server-rest`."""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import sys
from typing import TYPE_CHECKING, Final

from attestack_common import logs, process
from attestack_common.errors import UsageError
from attestack_common.http_server import Limits, Server
from attestack_common.version import ShowVersion, version
from ttrpc_asyncio import Address

from guest_rest_api.backends import Agent, Hub
from guest_rest_api.routes import Routes

if TYPE_CHECKING:
    from collections.abc import Sequence

DESCRIPTION: Final = "Serves the agent and the hub of this machine to its workloads over HTTP, on loopback only."
DEFAULT_BIND: Final = "127.0.0.1:8006"
DEFAULT_HUB: Final = "unix:///run/confidential-containers/cdh.sock"
DEFAULT_AGENT: Final = "unix:///run/confidential-containers/attestation-agent/attestation-agent.sock"
LIMITS: Final = Limits(body_bytes=1024 * 1024, handler_seconds=130.0, max_connections=1024)


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line; the names of the flags are the stock server's."""
    result = argparse.ArgumentParser("api-server-rest", description=DESCRIPTION, allow_abbrev=False)
    result.add_argument("-b", "--bind", default=DEFAULT_BIND, metavar="IP:PORT", help="default: %(default)s")
    result.add_argument(
        "-f",
        "--features",
        default="resource",
        choices=("resource", "attestation", "all"),
        help="which routes to serve: /cdh, /aa or both (default: %(default)s)",
    )
    result.add_argument("-c", "--cdh_addr", default=DEFAULT_HUB, metavar="ADDRESS", help="hub (default: %(default)s)")
    result.add_argument("-a", "--aa_addr", default=DEFAULT_AGENT, metavar="ADDRESS", help="aa (default: %(default)s)")
    result.add_argument("-V", "--version", action=ShowVersion)
    return result


def checked_bind(text: str) -> str:
    """Accept a loopback address and a port. Raises UsageError."""
    host, _, port = text.rpartition(":")
    try:
        loopback = ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        loopback = False
    if not loopback or not port.isascii() or not port.isdigit():
        raise UsageError(
            f"--bind {text!r:.80} is not a loopback address and a port",
            code="REST-BIND",
            advice=f"write {DEFAULT_BIND} or [::1]:8006: secrets are served here without a password",
        )
    return text


async def serve(arguments: argparse.Namespace) -> None:
    """Serve until cancelled."""
    logs.configure(None)
    bind = checked_bind(arguments.bind)
    feature = arguments.features
    agent = None if feature == "resource" else Agent(Address.parse(arguments.aa_addr))
    hub = None if feature == "attestation" else Hub(Address.parse(arguments.cdh_addr))
    routes = Routes(agent=agent, hub=hub, feature=feature, version=f"Guest Components Version: attestack {version()}")
    async with contextlib.AsyncExitStack() as running:
        for backend in filter(None, (agent, hub)):
            running.push_async_callback(backend.close)
        await Server(routes, sockets=[bind], limits=LIMITS).serve_forever()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program."""
    arguments = parser().parse_args(argv)
    process.harden()
    return process.run(lambda: serve(arguments))


if __name__ == "__main__":
    sys.exit(main())
