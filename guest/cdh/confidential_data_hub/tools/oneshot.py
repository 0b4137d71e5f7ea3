"""The program `cdh-oneshot`: fetches a resource by a hub of its own, without a daemon, and ends.

It reads the hub's configuration and, with `cc_kbc`, needs an agent on the socket that is named there.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from attestack_common import logs, process
from attestack_common.errors import AttestackError, UsageError
from attestack_common.version import ShowVersion
from attestation_protocol.encoding import b64std_encode
from attestation_protocol.resource_uri import ResourceUri

from confidential_data_hub.hub import Hub, load_config

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attestack_common.secret import Secret

DEFAULT_RETRIES: Final = 3
MAX_RETRIES: Final = 100


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line; flags are the stock tool's, without the commands that are not offered."""
    result = argparse.ArgumentParser(
        "cdh-oneshot", description="Fetches a resource, without a daemon.", allow_abbrev=False
    )
    result.add_argument("-c", "--config", type=Path, metavar="FILE", help="the hub's configuration")
    result.add_argument(
        "-r",
        "--retry",
        type=int,
        default=DEFAULT_RETRIES,
        metavar="N",
        help="try this often again (default: %(default)s)",
    )
    result.add_argument("-V", "--version", action=ShowVersion)
    commands = result.add_subparsers(dest="command", required=True, metavar="COMMAND")
    get = commands.add_parser("get-resource", help="fetch a resource; prints base64")
    get.add_argument("-r", "--resource-uri", required=True, metavar="URI", help="kbs:///repository/type/tag")
    return result


async def run(arguments: argparse.Namespace) -> None:
    """Fetch, and print base64. Raises AttestackError, ResourceUriError."""
    logs.configure(None)
    if not 0 <= arguments.retry <= MAX_RETRIES:
        raise UsageError(f"--retry is from 0 to {MAX_RETRIES}")
    uri = ResourceUri.parse(arguments.resource_uri)
    config = load_config(arguments.config)
    logs.configure(config.log.level)
    hub = await Hub.assemble(msgspec.structs.replace(config, credentials=()))
    try:
        secret = await _fetched(hub, uri, arguments.retry)
    finally:
        await hub.close()
    sys.stdout.write(f"{b64std_encode(secret.reveal())}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program."""
    arguments = parser().parse_args(argv)
    process.harden()
    return process.run(lambda: run(arguments))


async def _fetched(hub: Hub, uri: ResourceUri, retries: int) -> Secret:
    while True:
        try:
            return await hub.broker.get_resource(uri)
        except AttestackError:
            if retries <= 0:
                raise
            retries -= 1


if __name__ == "__main__":
    sys.exit(main())
