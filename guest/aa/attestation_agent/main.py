"""The program `attestation-agent` (also `ttrpc-aa`)."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attestack_common import logs, process
from attestack_common.errors import UsageError
from attestack_common.version import ShowVersion
from attestation_protocol.errors import wire_text_of
from ttrpc_asyncio import Address, Server

from attestation_agent.agent import DEFAULT_SOCKET, Agent, load_config
from attestation_agent.init_data import from_digest, from_document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ttrpc_asyncio import Service

    from attestation_agent.init_data import GivenInitData

DESCRIPTION: Final = "Collects the evidence of this confidential machine, and gets attestation tokens with it."
DRAIN_SECONDS: Final = 4.0
"""Seconds that calls in flight have to end when the agent is stopped; the process has ten for all of it."""


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line; the names of the flags are the stock agent's."""
    result = argparse.ArgumentParser("attestation-agent", description=DESCRIPTION, allow_abbrev=False)
    result.add_argument(
        "-a", "--attestation_sock", default=DEFAULT_SOCKET, metavar="ADDRESS", help="listen here (default: %(default)s)"
    )
    result.add_argument("-c", "--config-file", type=Path, metavar="FILE", help="configuration: .toml, .yaml or .json")
    result.add_argument("-i", "--initdata-digest", metavar="BASE64", help="digest of the init-data")
    result.add_argument("-t", "--initdata-toml", type=Path, metavar="FILE", help="init-data document; wins over -i")
    result.add_argument("--strict-config", action="store_true", help="refuse unknown keys instead of naming them")
    result.add_argument("-V", "--version", action=ShowVersion)
    return result


def given_init_data(arguments: argparse.Namespace) -> GivenInitData | None:
    """Read the init-data that the command line names. Raises InitDataRefusedError."""
    if arguments.initdata_toml is not None:
        return from_document(arguments.initdata_toml)
    return None if arguments.initdata_digest is None else from_digest(arguments.initdata_digest)


def listening_address(text: str) -> Address:
    """Read the address of a unix socket. Raises UsageError for another kind, AddressError for a malformed one.

    Tokens and their private keys are handed out there: no socket that others can reach over a network will do.
    """
    if not text.startswith("unix://"):
        raise UsageError(
            f"{text!r:.80} is not the address of a unix socket",
            code="AGENT-SOCKET",
            advice="write unix:///path or unix://@name; gRPC is not offered here",
        )
    return Address.parse(text)


async def serve(arguments: argparse.Namespace) -> None:
    """Serve until cancelled."""
    logs.configure(None)
    address = listening_address(arguments.attestation_sock)
    config = load_config(arguments.config_file, strict=arguments.strict_config)
    logs.configure(config.log.level)
    agent = await Agent.assemble(config, given_init_data(arguments))
    async with contextlib.AsyncExitStack() as running:
        running.push_async_callback(agent.close)
        server = await listen(running, address, [agent.service])
        await server.serve_forever()


async def listen(running: contextlib.AsyncExitStack, address: Address, services: Sequence[Service]) -> Server:
    """Serve on a unix socket until `running` ends. Raises ConfigError for its directory, AddressError."""
    if address.is_file:
        process.ensure_runtime_dir(Path(address.host).parent)
    server = Server(services, error_text=wire_text_of, drain_seconds=DRAIN_SECONDS)
    await running.enter_async_context(server)
    await server.start(address)
    logs.get_logger("aa").info("listening", address=str(address))
    return server


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program."""
    arguments = parser().parse_args(argv)
    process.harden()
    return process.run(lambda: serve(arguments))


if __name__ == "__main__":
    sys.exit(main())
