"""The programs `confidential-data-hub` (also `ttrpc-cdh`) and `grpc-cdh`: one hub, two default addresses.

The form of the address picks the transport in all of them.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attestack_common import logs, process
from attestack_common.errors import ConfigError
from attestack_common.version import ShowVersion
from key_broker_client import guest_rpc, shown_url
from key_broker_client.guest_rpc import serving_address

from confidential_data_hub.config import DEFAULT_GRPC_ADDRESS, DEFAULT_SOCKET
from confidential_data_hub.hub import Hub, load_config

if TYPE_CHECKING:
    from collections.abc import Sequence

    from key_broker_client.guest_rpc import Running, ServingAddress
    from ttrpc_asyncio import Service

DESCRIPTION: Final = "Gives the workloads of this confidential machine their secrets."


def parser(program: str = "confidential-data-hub") -> argparse.ArgumentParser:
    """Make the parser of the command line; the names of the flags are the stock hub's."""
    result = argparse.ArgumentParser(program, description=DESCRIPTION, allow_abbrev=False)
    result.add_argument("-c", dest="config", type=Path, metavar="FILE", help="configuration: .toml, .yaml or .json")
    result.add_argument("--strict-config", action="store_true", help="refuse unknown keys instead of naming them")
    result.add_argument("-V", "--version", action=ShowVersion)
    return result


def listening_address(text: str) -> ServingAddress:
    """Read where to listen. Raises ConfigError for what others can reach, AddressError for what is malformed."""
    address = serving_address(text)
    if address is None:
        raise ConfigError(
            f"socket: {text!r:.80} is neither the address of a unix socket nor one of this machine alone",
            code="HUB-SOCKET",
            advice="write unix:///path or unix://@name for ttRPC, 127.0.0.1:50000 for gRPC",
        )
    return address


async def serve(arguments: argparse.Namespace, default_socket: str = DEFAULT_SOCKET) -> None:
    """Serve until cancelled."""
    logs.configure(None)
    config = load_config(arguments.config, strict=arguments.strict_config, default_socket=default_socket)
    logs.configure(config.log.level)
    address = listening_address(config.socket)
    hub = await Hub.assemble(config)
    async with contextlib.AsyncExitStack() as running:
        running.push_async_callback(hub.close)
        server = await listen(running, address, hub.services, broker=config.kbc.url)
        await server.serve_forever()


async def listen(
    running: contextlib.AsyncExitStack, address: ServingAddress, services: Sequence[Service], *, broker: str
) -> Running:
    """Serve until `running` ends. Raises ConfigError, AddressError."""
    server = await guest_rpc.serve(running, address, services)
    logs.get_logger("cdh").info("listening", address=str(address), broker=shown_url(broker))
    return server


def main(argv: Sequence[str] | None = None) -> int:
    """Run `confidential-data-hub`."""
    return _run(parser().parse_args(argv), DEFAULT_SOCKET)


def main_grpc(argv: Sequence[str] | None = None) -> int:
    """Run `grpc-cdh`."""
    return _run(parser("grpc-cdh").parse_args(argv), DEFAULT_GRPC_ADDRESS)


def _run(arguments: argparse.Namespace, default_socket: str) -> int:
    process.harden()
    return process.run(lambda: serve(arguments, default_socket))


if __name__ == "__main__":
    sys.exit(main())
