"""The dates in a token."""

from __future__ import annotations

from typing import Any

import pytest
from trustee_core.token_trust.claims import date_problem

from tests.unit.trustee_core.token_trust.makers import NOW, SECONDS


@pytest.mark.parametrize(
    ("exp", "nbf", "problem"),
    [
        (SECONDS, ..., None),
        (SECONDS - 60, ..., None),
        (SECONDS - 61, ..., "exp"),
        (SECONDS - 60.4, ..., None),
        (SECONDS - 60.6, ..., "exp"),
        (SECONDS + 1, SECONDS + 60, None),
        (SECONDS + 1, SECONDS + 61, "nbf"),
        (SECONDS - 61, SECONDS + 61, "exp"),
        (2**63, 0, None),
        (..., ..., "missing"),
        (..., SECONDS, "missing"),
        (None, ..., "malformed"),
        (str(SECONDS + 9), ..., "malformed"),
        (True, ..., "malformed"),
        (float("inf"), ..., "malformed"),
        (float("nan"), ..., "malformed"),
        ([SECONDS + 9], ..., "malformed"),
        (SECONDS + 9, None, "malformed"),
        (SECONDS + 9, "0", "malformed"),
        (SECONDS + 9, float("-inf"), "malformed"),
        (-1, ..., "exp"),
        (0, ..., "exp"),
    ],
)
def test_a08_dates_hold_with_a_minute_of_grace(exp: Any, nbf: Any, problem: str | None) -> None:
    claims = {name: value for name, value in (("exp", exp), ("nbf", nbf)) if value is not ...}
    assert date_problem(claims, NOW) == problem
