"""RFC 8785: published examples, and what has no canonical form."""

from __future__ import annotations

from typing import Any

import pytest
from attestation_protocol.canonical_json import canonical_json
from attestation_protocol.errors import EncodingError


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
