"""Policies from outside, as far as we read them ourselves: within the bounds and understood, or refused.

The engine's parser is not called: what it makes of odd text is its own, in a process that may end.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from trustee_core.policy.bounds import bounded_tokens
from trustee_core.policy.contract import PolicyError
from trustee_core.policy.guard import examine
from trustee_core.policy.store import PolicyDecodeError, decode_policy

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[2]
MAX_LEN = 16_384


def target(data: bytes) -> None:
    with contextlib.suppress(PolicyDecodeError):
        decode_policy(data.decode("latin-1"))
    try:
        facts = examine(bounded_tokens(data.decode("utf-8", "replace")))
    except PolicyError:
        return
    assert "query_reference_value" not in {name.partition(".")[2] for name in facts.foreign_calls}


def seeds() -> Iterable[bytes]:
    policies = [path.read_bytes() for path in sorted((ROOT / "host").rglob("*.rego"))]
    tricks = (
        b"package p\nimport data.policy as q\nf(x) := q.f(x) with input.a as `b`\ndefault query_reference_value := 1\n"
    )
    return (*policies, tricks, b"x := [[[{}]]]", b'"\\', b"`")


TARGET = target
SEEDS = seeds
