"""The version and the commit, read from the installed distribution only when they are asked for."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence


UNKNOWN: Final = "unknown"


def version() -> str:
    """Return the version of the installed distribution."""
    from importlib.metadata import version as installed  # noqa: PLC0415  # programs should not pay for it at start

    return installed("attestack")


def commit() -> str:
    """Return the commit that was installed, where the installer recorded one (PEP 610); otherwise `unknown`."""
    import json  # noqa: PLC0415  # as above
    from importlib.metadata import distribution  # noqa: PLC0415

    try:
        found = json.loads(distribution("attestack").read_text("direct_url.json") or "{}")["vcs_info"]["commit_id"]
    except (ValueError, KeyError, TypeError):
        return UNKNOWN
    return found if isinstance(found, str) else UNKNOWN


class ShowVersion(argparse.Action):
    """Prints the program's name and version, and ends the program."""

    def __init__(self, option_strings: Sequence[str], **_: Any) -> None:  # noqa: ANN401  # as argparse calls it
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help="show the version")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print and end."""
        print(f"{parser.prog} {version()}")  # noqa: T201  # what the flag is for
        parser.exit()
