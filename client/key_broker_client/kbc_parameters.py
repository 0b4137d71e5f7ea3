"""`aa_kbc_params`: how a guest without a configuration file learns which key broker client and broker are its own.

    <kbc>::<uri>            cc_kbc::https://kbs.example:8080

It is looked for in the environment (`AA_KBC_PARAMS`), then on the kernel's command line, in the first word that begins
with `agent.aa_kbc_params=`. The split is at the first `::`, so that the URI may hold an IPv6 literal.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE: Final = "AA_KBC_PARAMS"
WORD: Final = "agent.aa_kbc_params="
CC_KBC: Final = "cc_kbc"
"""The key broker client that speaks to a Key Broker Service."""
KERNEL_COMMAND_LINE: Final = Path("/proc/cmdline")
MAX_COMMAND_LINE: Final = 64 * 1024
"""Characters of the command line that are looked at."""


@dataclass(frozen=True, slots=True)
class KbcParameters:
    """A key broker client by its name, and the broker's URL; either may be empty."""

    kbc: str
    url: str

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read the parameters; None for a text without `::`."""
        kbc, separator, url = text.partition("::")
        return cls(kbc, url) if separator else None

    @classmethod
    def find(cls, environment: Mapping[str, str], command_line: str) -> Self | None:
        """Look in the environment, then on the kernel's command line; None where nothing usable stands."""
        text = environment.get(VARIABLE) or kernel_word(command_line, WORD)
        return None if text is None else cls.parse(text)


def kernel_word(command_line: str, prefix: str) -> str | None:
    """Return what stands behind `prefix` in the first word of the command line that begins so."""
    words = command_line[:MAX_COMMAND_LINE].split()
    return next((word.removeprefix(prefix) for word in words if word.startswith(prefix)), None)


def kernel_command_line(path: Path = KERNEL_COMMAND_LINE) -> str:
    """Read the kernel's command line; empty where there is none."""
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
