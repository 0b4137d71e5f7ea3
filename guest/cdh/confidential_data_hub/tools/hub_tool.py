"""The programs `ttrpc-cdh-tool` and `grpc-cdh-tool`: ask a hub, ours or the stock one, and print its answer.

The form of the address picks the transport in both; only the default differs. A call that the hub does not offer is
sent all the same, and its answer shown.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attestack_common import process
from attestack_common.errors import UsageError
from attestack_common.version import ShowVersion
from key_broker_client.guest_rpc import peer

from confidential_data_hub.config import DEFAULT_GRPC_ADDRESS, DEFAULT_SOCKET
from confidential_data_hub.tools import requests

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from key_broker_client.guest_rpc import Peer

DEFAULT_SECONDS: Final = 50
MAX_SECONDS: Final = 86_400


def parser(program: str = "ttrpc-cdh-tool", address: str = DEFAULT_SOCKET) -> argparse.ArgumentParser:
    """Make the parser of the command line; flags and commands are the stock tools'."""
    result = argparse.ArgumentParser(program, description="Asks a Confidential Data Hub.", allow_abbrev=False)
    result.add_argument(
        "-s",
        "--socket",
        default=address,
        metavar="ADDRESS",
        help="unix://… for ttRPC, or http://127.0.0.1:50000 for gRPC (default: %(default)s)",
    )
    result.add_argument(
        "-t",
        "--timeout",
        type=int,
        default=DEFAULT_SECONDS,
        metavar="SECONDS",
        help="how long the call may take (default: %(default)s)",
    )
    result.add_argument("-V", "--version", action=ShowVersion)
    commands = result.add_subparsers(dest="command", required=True, metavar="COMMAND")
    get = commands.add_parser("get-resource", help="fetch a resource; prints base64")
    get.add_argument("-r", "--resource-uri", required=True, metavar="URI", help="kbs:///repository/type/tag")
    get.set_defaults(run=requests.get_resource)
    unseal = commands.add_parser("unseal-secret", help="open a sealed secret; prints base64")
    unseal.add_argument("-s", "--secret-path", required=True, type=Path, metavar="FILE", help="the sealed secret")
    unseal.set_defaults(run=requests.unseal_secret)
    unwrap = commands.add_parser("unwrap-key", help="unwrap the key of an image layer; prints base64")
    unwrap.add_argument("-a", "--annotation-path", required=True, type=Path, metavar="FILE", help="key provider JSON")
    unwrap.set_defaults(run=requests.unwrap_key)
    mount = commands.add_parser("secure-mount", help="mount a volume")
    mount.add_argument("-s", "--storage-path", required=True, type=Path, metavar="FILE", help="the volume, JSON")
    mount.set_defaults(run=requests.secure_mount)
    pull = commands.add_parser("pull-image", help="pull an image into a bundle")
    pull.add_argument("-i", "--image-url", required=True, metavar="IMAGE")
    pull.add_argument("-b", "--bundle-path", required=True, metavar="FOLDER")
    pull.set_defaults(run=requests.pull_image)
    return result


async def run(arguments: argparse.Namespace) -> None:
    """Ask, and print the answer. Raises AttestackError."""
    if not 0 < arguments.timeout <= MAX_SECONDS:
        raise UsageError(f"--timeout is from 1 to {MAX_SECONDS} seconds")
    command: Callable[[Peer, argparse.Namespace], Awaitable[str]] = arguments.run
    async with peer(arguments.socket, seconds=arguments.timeout) as hub:
        text = await command(hub, arguments)
    sys.stdout.write(f"{text}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run `ttrpc-cdh-tool`."""
    arguments = parser().parse_args(argv)
    return process.run(lambda: run(arguments))


def main_grpc(argv: Sequence[str] | None = None) -> int:
    """Run `grpc-cdh-tool`."""
    arguments = parser("grpc-cdh-tool", f"http://{DEFAULT_GRPC_ADDRESS}").parse_args(argv)
    return process.run(lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
