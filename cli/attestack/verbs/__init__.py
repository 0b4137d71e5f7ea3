"""The verbs of the `attestack` program.

A verb is a module with a `VERB`, and an entry point of the group `attestack.verbs` that names it. It is imported when
it is called or listed: one whose packages are not installed is no trouble to the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Verb:
    """Something that `attestack` does."""

    name: str
    summary: str
    """One line, for the list of verbs."""
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    """Do it, and return the exit status. May raise any of our errors: its text goes to standard error."""
