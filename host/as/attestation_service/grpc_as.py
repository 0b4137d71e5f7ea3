"""The program `grpc-as`: the attestation service over gRPC, with upstream's flags."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Final

from attestack_common import logs, process
from attestack_common.grpc_edge import GrpcServer
from attestack_common.listening import is_loopback

from attestation_service.assembly import standalone
from attestation_service.command_line import (
    DEFAULT_SOURCE,
    add_common,
    add_configuration,
    add_tls,
    read_config,
    tls_context,
)
from attestation_service.grpc_api import GrpcApi

if TYPE_CHECKING:
    from collections.abc import Sequence

DESCRIPTION: Final = "Verifies evidence and issues attestation tokens, over gRPC."
DEFAULT_SOCKET: Final = "127.0.0.1:3000"


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    result = argparse.ArgumentParser("grpc-as", description=DESCRIPTION, allow_abbrev=False)
    add_configuration(result)
    result.add_argument(
        "-s", "--socket", default=DEFAULT_SOCKET, metavar="IP:PORT", help=f"listen here (default {DEFAULT_SOCKET})"
    )
    add_tls(result)
    add_common(result)
    return result


async def serve(arguments: argparse.Namespace) -> None:
    """Serve until cancelled."""
    logs.configure(None)
    log = logs.get_logger("as")
    tls = tls_context(arguments.https_pubkey_cert, arguments.https_prikey)
    config = read_config(arguments.config_file, strict=arguments.strict_config)
    wide = not is_loopback(arguments.socket)
    if wide:
        log.warning(
            "whoever reaches this address can replace policies and reference values: no call asks who sent it",
            address=arguments.socket,
        )
    async with standalone(
        config,
        source=str(arguments.config_file or DEFAULT_SOURCE),
        strict=arguments.strict_config,
        allow_sample_reference_values=config.insecure_sample_reference_values or not wide,
    ) as service:
        api = GrpcApi(service)
        await GrpcServer(api.services(), address=arguments.socket, http=api.http, tls=tls).serve_forever()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program."""
    arguments = parser().parse_args(argv)
    process.harden()
    return process.run(lambda: serve(arguments))


if __name__ == "__main__":
    sys.exit(main())
