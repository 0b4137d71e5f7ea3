"""A20: a document that lacks a value passes. In no policy does a missing value satisfy anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from trustee_core.policy.contract import UNDEFINED, PolicyError
from trustee_core.policy.regorus import RegorusEngine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ALLOW = "data.policy.allow"
HEAD = "package policy\nimport rego.v1\n"


async def verdict(text: str, values: Mapping[str, Any] | None) -> Any:
    async def reference_values(ids: Sequence[str]) -> Mapping[str, Any]:
        assert values is not None
        return {name: values[name] for name in ids if name in values}

    evaluation = await RegorusEngine().evaluate(
        HEAD + text,
        [ALLOW],
        input_json=b'{"svn": 3, "none": null, "empty": "", "list": []}',
        reference_values=None if values is None else reference_values,
    )
    return evaluation.values[ALLOW]


@pytest.mark.parametrize("values", [None, {}, {"floor": None}, {"other": 1}])
@pytest.mark.parametrize(
    "condition",
    [
        'input.svn >= query_reference_value("floor")',
        'input.svn <= query_reference_value("floor")',
        'input.svn in query_reference_value("floor")',
        'not input.svn < query_reference_value("floor"); query_reference_value("floor")',
        'input.none == query_reference_value("floor")',
        'input.none >= query_reference_value("floor")',
        'input.missing == query_reference_value("floor")',
        'input.empty >= query_reference_value("floor")',
        'input.list >= query_reference_value("floor")',
        'query_reference_value("floor") == null',
        'is_null(query_reference_value("floor"))',
        'every value in query_reference_value("floor") { value == input.svn }',
        'count({value | value := query_reference_value("floor")}) == 1',
        "data.policy.copy == null",
    ],
)
async def test_a20_a_policy_fails_closed_without_its_reference_value(
    condition: str, values: Mapping[str, Any] | None
) -> None:
    copy = 'copy := query_reference_value("floor")'
    assert await verdict(f"default allow := false\nallow if {{ {condition} }}\n{copy}", values) is False
    assert await verdict(f"allow if {{ {condition} }}\n{copy}", values) is UNDEFINED


async def test_a20_the_comparison_that_upstream_lets_through_holds_only_with_a_value() -> None:
    text = 'default allow := false\nallow if input.svn >= query_reference_value("floor")'
    assert [await verdict(text, {"floor": value}) for value in (3, 2, 4, None)] == [True, True, False, False]


@pytest.mark.parametrize(
    "text",
    [
        'query_reference_value(id) := object.get(data, id, 0)\nallow if input.svn >= query_reference_value("floor")',
        "import data.values as query_reference_value\nallow if input.svn >= query_reference_value.floor",
        'zero(_) := 0\nallow if { input.svn >= query_reference_value("floor") with query_reference_value as zero }',
        "default query_reference_value(_) := 0\nallow if input.svn >= query_reference_value(`floor`)",
        'allow if input.svn >= __attestack_reference_value("floor")',
    ],
)
async def test_a20_a_policy_cannot_give_itself_the_missing_value(text: str) -> None:
    with pytest.raises(PolicyError) as caught:
        await verdict(text, {})
    assert caught.value.code == "POLICY-REFUSED"


async def test_a20_undefined_null_and_false_are_three_things_and_none_is_true() -> None:
    got = [await verdict(body, {}) for body in ("allow if false", "allow := null", "allow := false", "other := 1")]
    assert got == [UNDEFINED, None, False, UNDEFINED]
    assert not any(value is True for value in got)
