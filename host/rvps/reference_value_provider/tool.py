"""The program `rvps-tool`: registers reference values at an RVPS, and asks for one. Flags are upstream's.

    rvps-tool register -p MESSAGE.json [-a http://127.0.0.1:50003]
    rvps-tool query -r ID              [-a http://127.0.0.1:50003]

A query prints the value as JSON on standard output, and nothing else there. The status is 0 when the call was answered
with what was asked for; an id without a value is status 1.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attestack_common import process
from attestack_common.errors import UsageError
from attestack_common.files import read_bounded
from attestack_common.grpc_edge import PeerAddress
from attestack_common.version import ShowVersion
from attestation_protocol.encoding import compact_json

from reference_value_provider.client import RemoteReferenceValues
from reference_value_provider.errors import ReferenceValueError
from reference_value_provider.messages import MAX_SIZE
from reference_value_provider.service import MISSING

if TYPE_CHECKING:
    from collections.abc import Sequence

DESCRIPTION: Final = "Registers reference values at an RVPS, and asks for one."
DEFAULT_ADDRESS: Final = "http://127.0.0.1:50003"


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    result = argparse.ArgumentParser("rvps-tool", description=DESCRIPTION, allow_abbrev=False)
    result.add_argument("-V", "--version", action=ShowVersion)
    verbs = result.add_subparsers(dest="verb", required=True)
    register = verbs.add_parser("register", help="register the values of a message", allow_abbrev=False)
    register.add_argument("-p", "--path", type=Path, required=True, metavar="FILE", help="the message, JSON")
    query = verbs.add_parser("query", help="print the value of an id", allow_abbrev=False)
    query.add_argument("-r", "--reference-value-id", required=True, metavar="ID", help="the id, as it was registered")
    for verb in (register, query):
        verb.add_argument(
            "-a",
            "--addr",
            default=DEFAULT_ADDRESS,
            metavar="URL",
            help=f"where the RVPS is (default {DEFAULT_ADDRESS})",
        )
    return result


async def run(arguments: argparse.Namespace) -> None:
    """Make the call. Raises UsageError, ConfigError, ReferenceValueError."""
    message = _message(arguments.path) if arguments.verb == "register" else None
    values = RemoteReferenceValues(PeerAddress.parse(arguments.addr), allow_sample=True)
    try:
        if message is not None:
            await values.register(message)
            sys.stderr.write("registered\n")
            return
        value = await values.query(arguments.reference_value_id)
    finally:
        await values.close()
    if value is MISSING:
        raise ReferenceValueError(
            f"No reference value found for the given id: {arguments.reference_value_id}", code="RVPS-MISSING"
        )
    sys.stdout.write(f"{compact_json(value).decode()}\n")


def _message(path: Path) -> str:
    try:
        return read_bounded(path, MAX_SIZE).decode()
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not UTF-8", code="RVPS-MESSAGE", advice="name a file with a message, JSON") from None


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program."""
    arguments = parser().parse_args(argv)
    return process.run(lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
