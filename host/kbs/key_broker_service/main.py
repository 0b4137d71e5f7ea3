"""The program `kbs`, with upstream's flags."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Final

from attestack_common import logs, process
from attestack_common.errors import AttestackError, UsageError
from attestack_common.version import ShowVersion

from key_broker_service import config as configuration
from key_broker_service import workers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DESCRIPTION: Final = "The Key Broker Service: releases secrets to guests that attest."
ENVIRONMENT: Final = "KBS_CONFIG_FILE"


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    result = argparse.ArgumentParser("kbs", description=DESCRIPTION, allow_abbrev=False)
    result.add_argument(
        "-c", "--config-file", metavar="FILE", help=f"configuration: TOML, YAML or JSON [env: {ENVIRONMENT}]"
    )
    result.add_argument("--strict-config", action="store_true", help="refuse unknown keys instead of naming them")
    result.add_argument("-V", "--version", action=ShowVersion)
    return result


def config_file(arguments: argparse.Namespace, environment: Mapping[str, str]) -> str:
    """Return the configuration's file. Raises UsageError."""
    path: str | None = arguments.config_file or environment.get(ENVIRONMENT)
    if not path:
        raise UsageError(
            "no configuration is given",
            code="KBS-NO-CONFIG",
            advice=f"name it with --config-file or {ENVIRONMENT}; `trustee run` works without one",
        )
    return path


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program."""
    arguments = parser().parse_args(argv)
    process.harden()
    logs.configure(None)
    strict: bool = arguments.strict_config
    try:
        path = config_file(arguments, os.environ)
        config = configuration.load(path, strict=strict)
        return workers.run(config, source=path, strict=strict)
    except AttestackError as error:
        return process.report(error)


if __name__ == "__main__":
    sys.exit(main())
