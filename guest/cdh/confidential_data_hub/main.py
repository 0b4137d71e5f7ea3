"""The program `confidential-data-hub` (also `ttrpc-cdh`)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from attestack_common import logs, process
from attestack_common.errors import ConfigError
from attestack_common.version import ShowVersion
from ttrpc_asyncio import Address, Server

from confidential_data_hub.hub import Hub, load_config

if TYPE_CHECKING:
    from collections.abc import Sequence

DESCRIPTION = "Gives the workloads of this confidential machine their secrets."


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line; the names of the flags are the stock hub's."""
    result = argparse.ArgumentParser("confidential-data-hub", description=DESCRIPTION, allow_abbrev=False)
    result.add_argument("-c", dest="config", type=Path, metavar="FILE", help="configuration: .toml, .yaml or .json")
    result.add_argument("--strict-config", action="store_true", help="refuse unknown keys instead of naming them")
    result.add_argument("-V", "--version", action=ShowVersion)
    return result


async def serve(arguments: argparse.Namespace) -> None:
    """Serve until cancelled."""
    config = load_config(arguments.config, strict=arguments.strict_config)
    logs.configure(config.log.level)
    if not config.socket.startswith("unix://"):
        raise ConfigError(
            f"socket: {config.socket!r:.80} is not a unix socket",
            code="HUB-SOCKET",
            advice="write unix:///path or unix://@name; gRPC is not offered here",
        )
    address = Address.parse(config.socket)
    hub = await Hub.assemble(config)
    if address.is_file:
        process.ensure_runtime_dir(Path(address.host).parent)
    async with Server(hub.services) as server:
        await server.start(address)
        logs.get_logger("cdh").info("listening", address=str(address), broker=config.kbc.url)
        await server.serve_forever()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program."""
    arguments = parser().parse_args(argv)
    process.harden()
    return process.run(lambda: serve(arguments))


if __name__ == "__main__":
    sys.exit(main())
