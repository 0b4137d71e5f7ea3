"""The programs `attestation-agent` (also `ttrpc-aa`) and `grpc-aa`: one agent, two default addresses.

The form of the address picks the transport in all of them.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attestack_common import logs, process
from attestack_common.errors import UsageError
from attestack_common.version import ShowVersion
from key_broker_client import guest_rpc
from key_broker_client.guest_rpc import serving_address

from attestation_agent.agent import DEFAULT_GRPC_ADDRESS, DEFAULT_SOCKET, Agent, load_config
from attestation_agent.init_data import from_digest, from_document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from key_broker_client.guest_rpc import Running, ServingAddress
    from ttrpc_asyncio import Service

    from attestation_agent.init_data import GivenInitData

DESCRIPTION: Final = "Collects the evidence of this confidential machine, and gets attestation tokens with it."


def parser(program: str = "attestation-agent", address: str = DEFAULT_SOCKET) -> argparse.ArgumentParser:
    """Make the parser of the command line; the names of the flags are the stock agent's."""
    result = argparse.ArgumentParser(program, description=DESCRIPTION, allow_abbrev=False)
    result.add_argument(
        "-a", "--attestation_sock", default=address, metavar="ADDRESS", help="listen here (default: %(default)s)"
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


def listening_address(text: str) -> ServingAddress:
    """Read where to listen. Raises UsageError for an address that others can reach, AddressError for a malformed one.

    Tokens and their private keys are handed out there: no socket that others can reach over a network will do.
    """
    address = serving_address(text)
    if address is None:
        raise UsageError(
            f"{text!r:.80} is neither the address of a unix socket nor one of this machine alone",
            code="AGENT-SOCKET",
            advice="write unix:///path or unix://@name for ttRPC, 127.0.0.1:50002 for gRPC",
        )
    return address


async def serve(arguments: argparse.Namespace) -> None:
    """Serve until cancelled."""
    logs.configure(None)
    address = listening_address(arguments.attestation_sock)
    config = load_config(arguments.config_file, strict=arguments.strict_config)
    logs.configure(config.log.level)
    agent = await Agent.assemble(config, given_init_data(arguments))
    async with contextlib.AsyncExitStack() as running:
        running.push_async_callback(agent.close)
        server = await listen(running, address, agent.services_at(address))
        await server.serve_forever()


async def listen(running: contextlib.AsyncExitStack, address: ServingAddress, services: Sequence[Service]) -> Running:
    """Serve until `running` ends. Raises ConfigError, AddressError."""
    server = await guest_rpc.serve(running, address, services)
    logs.get_logger("aa").info("listening", address=str(address))
    return server


def main(argv: Sequence[str] | None = None) -> int:
    """Run `attestation-agent`."""
    return _run(parser().parse_args(argv))


def main_grpc(argv: Sequence[str] | None = None) -> int:
    """Run `grpc-aa`."""
    return _run(parser("grpc-aa", DEFAULT_GRPC_ADDRESS).parse_args(argv))


def _run(arguments: argparse.Namespace) -> int:
    process.harden()
    return process.run(lambda: serve(arguments))


if __name__ == "__main__":
    sys.exit(main())
