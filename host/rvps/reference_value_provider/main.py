"""The program `rvps`: the reference value provider over gRPC, with upstream's flags."""

from __future__ import annotations

import argparse
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attestack_common import logs, process
from attestack_common.grpc_edge import GrpcServer
from attestack_common.listening import is_loopback
from attestack_common.version import ShowVersion
from trustee_core.grpc_health import health_service
from trustee_core.storage.registry import open_storage

from reference_value_provider import config as configuration
from reference_value_provider.grpc_service import reference_value_service
from reference_value_provider.service import NAMESPACE, ReferenceValueProvider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from reference_value_provider.config import RvpsConfig

DESCRIPTION: Final = "Registers reference values and serves them, over gRPC."
DEFAULT_ADDRESS: Final = "127.0.0.1:50003"

_LOG: Final = logs.get_logger("rvps")


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line; the names of the flags are upstream's."""
    result = argparse.ArgumentParser("rvps", description=DESCRIPTION, allow_abbrev=False)
    result.add_argument(
        "-c",
        "--config",
        type=Path,
        metavar="FILE",
        help=f"configuration; without one, {configuration.DEFAULT_PATH} if it is there",
    )
    result.add_argument(
        "-a", "--address", default=DEFAULT_ADDRESS, metavar="IP:PORT", help=f"listen here (default {DEFAULT_ADDRESS})"
    )
    result.add_argument("--strict-config", action="store_true", help="refuse unknown keys instead of naming them")
    result.add_argument("-V", "--version", action=ShowVersion)
    return result


@asynccontextmanager
async def server(config: RvpsConfig, address: str) -> AsyncIterator[GrpcServer]:
    """Start a server on the storage that the configuration names, and stop both. Raises ConfigError, StorageError."""
    wide = not is_loopback(address)
    if wide:
        _LOG.warning("whoever reaches this address can register reference values: no call asks who sent it")
    allow_sample = config.insecure_sample_reference_values or not wide
    async with AsyncExitStack() as opened:
        storage = open_storage(config.storage.storage_type, config.storage.backends)
        opened.push_async_callback(storage.close)
        provider = ReferenceValueProvider(storage.namespace(NAMESPACE), allow_sample=allow_sample)
        service = reference_value_service(provider)
        yield await opened.enter_async_context(GrpcServer([service, health_service([service.name])], address=address))


async def serve(arguments: argparse.Namespace) -> None:
    """Serve until cancelled."""
    logs.configure(None)
    config = configuration.load(arguments.config, strict=arguments.strict_config)
    async with server(config, arguments.address) as running:
        await running.serve_forever()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program."""
    arguments = parser().parse_args(argv)
    process.harden()
    return process.run(lambda: serve(arguments))


if __name__ == "__main__":
    sys.exit(main())
