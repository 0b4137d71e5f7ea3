"""What the command lines of `restful-as` and `grpc-as` have in common; the names of the flags are upstream's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from attestack_common import config as configuration
from attestack_common.errors import UsageError
from attestack_common.version import ShowVersion

from attestation_service.config import StandaloneConfig

if TYPE_CHECKING:
    import argparse
    import ssl

DEFAULT_SOURCE: Final = "the default configuration"
"""What messages call the configuration where there is no file."""


def add_configuration(parser: argparse.ArgumentParser) -> None:
    """Add `-c`."""
    parser.add_argument(
        "-c", "--config-file", type=Path, metavar="FILE", help="configuration (JSON); without one, all in memory"
    )


def add_tls(parser: argparse.ArgumentParser) -> None:
    """Add `-t` and `-k`."""
    parser.add_argument(
        "-t",
        "--https-pubkey-cert",
        "--tls-cert",
        type=Path,
        metavar="PEM",
        help="certificate for HTTPS; needs -k",
    )
    parser.add_argument(
        "-k", "--https-prikey", "--tls-key", type=Path, metavar="PEM", help="private key for HTTPS; needs -t"
    )


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add what our own programs have besides."""
    parser.add_argument("--strict-config", action="store_true", help="refuse unknown keys instead of naming them")
    parser.add_argument("-V", "--version", action=ShowVersion)


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
