"""The program `restful-as`: the attestation service over HTTP and JSON, with upstream's flags."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Final

from attestack_common import logs, process
from attestack_common.http_server import Server
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
from attestation_service.cors import CrossOrigin, parse_origins
from attestation_service.restful import RestApi

if TYPE_CHECKING:
    from collections.abc import Sequence

DESCRIPTION: Final = "Verifies evidence and issues attestation tokens, over HTTP and JSON."


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    result = argparse.ArgumentParser("restful-as", description=DESCRIPTION, allow_abbrev=False)
    add_configuration(result)
    result.add_argument("-s", "--socket", required=True, metavar="IP:PORT", help="listen here, e.g. 127.0.0.1:8080")
    add_tls(result)
    result.add_argument(
        "-r", "--allowed_origin", action="extend", nargs="+", default=[], metavar="ORIGIN",
        help="origin of pages that may ask, http://… or https://…; several, or with commas between",
    )  # fmt: skip
    add_common(result)
    return result


async def serve(arguments: argparse.Namespace) -> None:
    """Serve until cancelled."""
    logs.configure(None)
    log = logs.get_logger("as")
    tls = tls_context(arguments.https_pubkey_cert, arguments.https_prikey)
    config = read_config(arguments.config_file, strict=arguments.strict_config)
    origins, others = parse_origins(arguments.allowed_origin)
    for origin in others:
        log.error("an allowed origin starts with http:// or https://: it is not allowed", origin=origin)
    if not is_loopback(arguments.socket):
        log.warning(
            "whoever reaches this address can replace policies: no route asks who calls", address=arguments.socket
        )
    source = str(arguments.config_file or DEFAULT_SOURCE)
    async with standalone(config, source=source, strict=arguments.strict_config) as service:
        api = RestApi(service, CrossOrigin(origins))
        await Server(api, sockets=[arguments.socket], tls=tls).serve_forever()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program."""
    arguments = parser().parse_args(argv)
    process.harden()
    return process.run(lambda: serve(arguments))


if __name__ == "__main__":
    sys.exit(main())
