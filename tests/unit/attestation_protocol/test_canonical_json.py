"""RFC 8785: published examples, and what has no canonical form."""

from __future__ import annotations

from typing import Any

import pytest
import rfc8785
from attestation_protocol.canonical_json import canonical_json
from attestation_protocol.errors import EncodingError
from hypothesis import example, given
from hypothesis import strategies as st

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
"""Without halves of surrogate pairs."""
OBJECTS_OF_TEXTS = st.recursive(TEXTS, lambda inner: st.dictionaries(TEXTS, inner), max_leaves=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner | TEXTS) | st.dictionaries(TEXTS, inner | TEXTS),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": "test", "c": {"d": "e"}}, b'{"a":"test","b":1,"c":{"d":"e"}}'),
        ([1.0, -0.0, 1e21, 1e-7, 0.1], b"[1,0,1e+21,1e-7,0.1]"),
        ('\u20ac$\x0f\nA\'B"\\"/', b'"\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\\\"/"'),
        ({"\ufb33": 1, "\U0001f600": 2, "\r": 3, "1": 4}, '{"\\r":3,"1":4,"\U0001f600":2,"\ufb33":1}'.encode()),
        ([None, True, False], b"[null,true,false]"),
    ],
)
def test_published_forms(value: Any, text: bytes) -> None:
    assert canonical_json(value) == text


@pytest.mark.parametrize("value", [2**53, float("nan"), float("inf"), "\ud800", object(), {1: 2}])
def test_what_peers_would_write_differently_is_refused(value: Any) -> None:
    with pytest.raises(EncodingError) as caught:
        canonical_json(value)
    assert caught.value.code == "JSON-CANONICAL"


@given(OBJECTS_OF_TEXTS | VALUES)
@example({chr(point): chr(point) for point in range(0x100)})
@example({"b": {"\ufb33": "1", "\U0001f600": "2"}, "a": "\u2028"})
def test_the_short_way_for_texts_gives_the_bytes_of_the_reference(value: Any) -> None:
    assert canonical_json(value) == rfc8785.dumps(value)


def test_an_object_that_holds_itself_is_refused() -> None:
    endless: dict[str, Any] = {}
    endless["x"] = endless
    with pytest.raises(EncodingError):
        canonical_json(endless)
