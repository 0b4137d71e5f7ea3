"""The program `attestation-agent` (also `ttrpc-aa`)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from attestack_common import logs, process
from attestack_common.errors import UsageError
from attestack_common.version import ShowVersion
from ttrpc_asyncio import Address, Server

from attestation_agent.agent import DEFAULT_SOCKET, Agent, load_config
from attestation_agent.init_data import from_digest, from_document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attestation_agent.init_data import GivenInitData

DESCRIPTION = "Collects the evidence of this confidential machine, and gets attestation tokens with it."


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
    """Read a ttRPC address. Raises UsageError for another form, AddressError for a malformed one."""
    if "://" not in text:
        raise UsageError(
            f"{text!r:.80} is not an address for ttRPC",
            advice="write unix:///path, unix://@name, vsock://cid:port or tcp://ip:port; gRPC is not offered here",
        )
    return Address.parse(text)


async def serve(arguments: argparse.Namespace) -> None:
    """Serve until cancelled."""
    address = listening_address(arguments.attestation_sock)
    config = load_config(arguments.config_file, strict=arguments.strict_config)
    logs.configure(config.log.level)
    agent = await Agent.assemble(config, given_init_data(arguments))
    if address.is_file:
        process.ensure_runtime_dir(Path(address.host).parent)
    async with Server([agent.service]) as server:
        await server.start(address)
        logs.get_logger("aa").info("listening", address=str(address))
        await server.serve_forever()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program."""
    arguments = parser().parse_args(argv)
    process.harden()
    return process.run(lambda: serve(arguments))


if __name__ == "__main__":
    sys.exit(main())
