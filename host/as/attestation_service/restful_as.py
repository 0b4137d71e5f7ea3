"""The program `restful-as`: the attestation service over HTTP and JSON, with upstream's flags."""

from __future__ import annotations

import argparse
import ipaddress
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attestack_common import config as configuration
from attestack_common import logs, process
from attestack_common.errors import UsageError
from attestack_common.http_server import Server
from attestack_common.version import ShowVersion

from attestation_service.assembly import standalone
from attestation_service.config import StandaloneConfig
from attestation_service.cors import CrossOrigin, parse_origins
from attestation_service.restful import RestApi

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

DESCRIPTION: Final = "Verifies evidence and issues attestation tokens, over HTTP and JSON."
_DEFAULT_SOURCE: Final = "the default configuration"


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line; the names of the flags are upstream's."""
    result = argparse.ArgumentParser("restful-as", description=DESCRIPTION, allow_abbrev=False)
    result.add_argument(
        "-c", "--config-file", type=Path, metavar="FILE", help="configuration (JSON); without one, all in memory"
    )
    result.add_argument("-s", "--socket", required=True, metavar="IP:PORT", help="listen here, e.g. 127.0.0.1:8080")
    result.add_argument(
        "-t",
        "--https-pubkey-cert",
        "--tls-cert",
        type=Path,
        metavar="PEM",
        help="certificate for HTTPS; needs -k",
    )
    result.add_argument(
        "-k", "--https-prikey", "--tls-key", type=Path, metavar="PEM", help="private key for HTTPS; needs -t"
    )
    result.add_argument(
        "-r", "--allowed_origin", action="extend", nargs="+", default=[], metavar="ORIGIN",
        help="origin of pages that may ask, http://… or https://…; several, or with commas between",
    )  # fmt: skip
    result.add_argument("--strict-config", action="store_true", help="refuse unknown keys instead of naming them")
    result.add_argument("-V", "--version", action=ShowVersion)
    return result


def tls_context(certificate: Path | None, private_key: Path | None) -> ssl.SSLContext | None:
    """Make the TLS context; None for plain HTTP. Raises UsageError when one file of the two is missing."""
    if certificate is None and private_key is None:
        return None
    if certificate is None or private_key is None:
        raise UsageError(
            "HTTPS needs a certificate and its private key",
            code="AS-HTTPS",
            advice="give both -t and -k, or neither for plain HTTP",
        )
    from attestack_common.http_server.tls import server_context  # noqa: PLC0415  # plain HTTP needs no ssl

    return server_context(certificate, private_key, section="command line")


def read_config(path: Path | None, *, strict: bool = False) -> StandaloneConfig:
    """Read the configuration file; without one, all is default. Raises ConfigError."""
    return StandaloneConfig() if path is None else configuration.load(path, StandaloneConfig, strict=strict)


def is_loopback(address: str) -> bool:
    """Whether an `IP:PORT` is on one of this machine's own addresses."""
    try:
        return ipaddress.ip_address(address.rpartition(":")[0].strip("[]")).is_loopback
    except ValueError:
        return False


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
    source = str(arguments.config_file or _DEFAULT_SOURCE)
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
