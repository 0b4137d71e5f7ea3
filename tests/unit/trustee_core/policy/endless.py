"""Policies that take long, or break the engine, for tests."""

from __future__ import annotations

from tests.unit.trustee_core.policy.evaluation import HEAD

ENDLESS = f"""{HEAD}
r := numbers.range(1, 3000)
allow := count([1 | some a in r; some b in r; some c in r; a + b + c == 0]) == 0
"""
"""27,000,000,000 turns, in no memory."""

HUNGRY = f"""{HEAD}
r := numbers.range(1, 1000)
allow := count([[a, b, c] | some a in r; some b in r; some c in r]) == 0
"""
"""1,000,000,000 arrays."""

JOIN = f"""{HEAD}
allow if {{ some a in input.a; some b in input.a; some c in input.a; a.x + b.x + c.x < 0 }}
"""
"""What an operator may write, and a guest may abuse."""

WALKING = f"""{HEAD}
default allow := false
allow if {{ walk(input, [path, value]); path[count(path) - 1] == "image"; value in query_reference_value("images") }}
"""
"""A policy without a bound that ends soon."""
