"""The program `confidential-data-hub` (also `ttrpc-cdh`)."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attestack_common import logs, process
from attestack_common.errors import ConfigError
from attestack_common.version import ShowVersion
from attestation_protocol.errors import wire_text_of
from key_broker_client import shown_url
from ttrpc_asyncio import Address, Server

from confidential_data_hub.hub import Hub, load_config

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ttrpc_asyncio import Service

DESCRIPTION: Final = "Gives the workloads of this confidential machine their secrets."
DRAIN_SECONDS: Final = 4.0
"""Seconds that calls in flight have to end when the hub is stopped; the process has ten for all of it."""


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line; the names of the flags are the stock hub's."""
    result = argparse.ArgumentParser("confidential-data-hub", description=DESCRIPTION, allow_abbrev=False)
    result.add_argument("-c", dest="config", type=Path, metavar="FILE", help="configuration: .toml, .yaml or .json")
    result.add_argument("--strict-config", action="store_true", help="refuse unknown keys instead of naming them")
    result.add_argument("-V", "--version", action=ShowVersion)
    return result


def listening_address(text: str) -> Address:
    """Read the address of a unix socket. Raises ConfigError for another kind, AddressError for a malformed one."""
    if not text.startswith("unix://"):
        raise ConfigError(
            f"socket: {text!r:.80} is not the address of a unix socket",
            code="HUB-SOCKET",
            advice="write unix:///path or unix://@name; gRPC is not offered here",
        )
    return Address.parse(text)


async def serve(arguments: argparse.Namespace) -> None:
    """Serve until cancelled."""
    logs.configure(None)
    config = load_config(arguments.config, strict=arguments.strict_config)
    logs.configure(config.log.level)
    address = listening_address(config.socket)
    hub = await Hub.assemble(config)
    async with contextlib.AsyncExitStack() as running:
        running.push_async_callback(hub.close)
        server = await listen(running, address, hub.services, broker=config.kbc.url)
        await server.serve_forever()


async def listen(
    running: contextlib.AsyncExitStack, address: Address, services: Sequence[Service], *, broker: str
) -> Server:
    """Serve on a unix socket until `running` ends. Raises ConfigError for its directory, AddressError."""
    if address.is_file:
        process.ensure_runtime_dir(Path(address.host).parent)
    server = Server(services, error_text=wire_text_of, drain_seconds=DRAIN_SECONDS)
    await running.enter_async_context(server)
    await server.start(address)
    logs.get_logger("cdh").info("listening", address=str(address), broker=shown_url(broker))
    return server


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program."""
    arguments = parser().parse_args(argv)
    process.harden()
    return process.run(lambda: serve(arguments))


if __name__ == "__main__":
    sys.exit(main())
