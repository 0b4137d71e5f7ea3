"""Texts of refusals, taken apart."""

from __future__ import annotations

import pytest
from attestation_protocol.errors import wire_text
from hypothesis import given
from hypothesis import strategies as st
from trustee_core.grpc_messages import PeerRefusal, peer_refusal


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("Challenge: no", PeerRefusal("Challenge: no", "", "")),
        ("no [CODE-1]", PeerRefusal("no", "CODE-1", "")),
        ("no (do that) [CODE-1]", PeerRefusal("no", "CODE-1", "do that")),
        ("a\n0: b\n1: c (do that) [X]", PeerRefusal("a\n0: b\n1: c", "X", "do that")),
        ("no [not a code]", PeerRefusal("no [not a code]", "", "")),
        ("", PeerRefusal("", "", "")),
    ],
)
def test_a_text_is_taken_apart(text: str, refusal: PeerRefusal) -> None:
    assert peer_refusal(text) == refusal


@given(st.text(), st.from_regex(r"[A-Z0-9-]{1,20}", fullmatch=True), st.from_regex(r"[a-z ,]{0,40}", fullmatch=True))
def test_what_was_put_together_is_taken_apart(text: str, code: str, advice: str) -> None:
    refusal = peer_refusal(wire_text(text, code, advice))
    assert wire_text(refusal.text, refusal.code, refusal.advice) == wire_text(text, code, advice)
    assert refusal.code == code


@given(st.text())
def test_any_text_is_taken_apart(text: str) -> None:
    refusal = peer_refusal(text)
    assert text.startswith(refusal.text)
