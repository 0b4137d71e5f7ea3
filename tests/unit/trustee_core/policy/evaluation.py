"""Evaluates policies for tests, on the test's own thread."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

from trustee_core.policy.compiled import CompiledPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping

HEAD = "package policy\nimport rego.v1\n"
ALLOW = "data.policy.allow"

compiled = functools.cache(CompiledPolicy)


def decide(
    text: str,
    rule: str = ALLOW,
    *,
    claims: Any = None,
    data: Mapping[str, Any] | None = None,
    values: Mapping[str, Any] | None = None,
) -> Any:
    """The value of one rule. `values` are reference values; `claims` is the input."""
    policy = compiled(text)
    run = policy.run(
        [rule], json.dumps(claims or {}).encode(), b"" if data is None else json.dumps(data).encode(), values or {}
    )
    return run.values[rule]
