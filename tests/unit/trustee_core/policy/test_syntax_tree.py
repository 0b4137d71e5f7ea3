"""Paths as the engine's syntax tree has them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from trustee_core.policy.compiled import CompiledPolicy
from trustee_core.policy.syntax_tree import literal_path, prefix

from tests.unit.trustee_core.policy.evaluation import HEAD


def expression(text: str) -> Any:
    """What the engine makes of an expression."""
    tree = json.loads(CompiledPolicy(f"{HEAD}allow := {text}")._engine.get_ast_as_json())[0]
    return tree["ast"]["rules"][0]["Spec"]["head"]["Compr"]["assign"]["value"]


@pytest.mark.parametrize(
    ("text", "path", "start"),
    [
        ("input", ("input",), ("input",)),
        ('input.a["b"].c', ("input", "a", "b", "c"), ("input", "a", "b", "c")),
        ("input[`a`].b", ("input", "a", "b"), ("input", "a", "b")),
        ("input.a[0].b", (), ("input", "a")),
        ("input[input.a].b.c", (), ("input",)),
        ("count(input.a)", (), None),
    ],
)
def test_a_path_is_literal_or_starts_so(text: str, path: tuple[str, ...], start: tuple[str, ...] | None) -> None:
    assert literal_path(expression(text)) == path
    if start is not None:
        assert prefix(expression(text)) == start
