"""The version, for `-V`: read from the installed distribution only when it is asked for."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


def version() -> str:
    """Return the version of the installed distribution."""
    from importlib.metadata import version as installed  # noqa: PLC0415  # programs should not pay for it at start

    return installed("attestack")


class ShowVersion(argparse.Action):
    """Prints the program's name and version, and ends the program."""

    def __init__(self, option_strings: Sequence[str], **_: Any) -> None:  # noqa: ANN401  # as argparse calls it
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help="show the version")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print and end."""
        print(f"{parser.prog} {version()}")  # noqa: T201  # what the flag is for
        parser.exit()
