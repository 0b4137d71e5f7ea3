"""The dates in a token, for attestation tokens and administrators' alike: 60 s of grace on both sides."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

LEEWAY: Final = 60
"""Seconds."""


def date_problem(claims: Mapping[str, Any], now: datetime) -> str | None:
    """Say which date refuses the claims: `exp` or `nbf`, `missing` without `exp`, `malformed`; None if they hold.

    `exp` is required; both may be fractions, and are rounded to seconds.
    """
    if "exp" not in claims:
        return "missing"
    expires, not_before = _seconds(claims["exp"]), _seconds(claims.get("nbf", 0))
    if expires is None or not_before is None:
        return "malformed"
    seconds = now.timestamp()
    if expires < seconds - LEEWAY:
        return "exp"
    return "nbf" if not_before > seconds + LEEWAY else None


def _seconds(value: object) -> int | None:
    if type(value) is int:
        return value
    return round(value) if isinstance(value, float) and math.isfinite(value) else None
