"""Processes that die in the middle of a write, played in this one."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


class Crash(BaseException):
    """The process dies here."""


def crash_at(patch: pytest.MonkeyPatch, step: int) -> list[str]:
    """Let the process die before the call number `step` of those that change the disk."""
    calls, crashed = itertools.count(), []

    def counted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if next(calls) >= step:
                crashed.append(name)
                raise Crash
            return real(*args, **kwargs)

        return call

    for name in ("rename", "link", "unlink", "fsync", "write", "mkdir"):
        patch.setattr(os, name, counted(name, getattr(os, name)))
    return crashed
