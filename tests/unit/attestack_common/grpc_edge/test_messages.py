"""Status texts fit into a header, and keep their end."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from attestack_common.grpc_edge.messages import MAX_ENCODED_TEXT, Status, bounded_text
from hypothesis import given
from hypothesis import strategies as st

PRINTABLE = "".join(chr(octet) for octet in range(0x20, 0x7F) if octet != 0x25)


def encoded(text: str) -> int:
    """The octets of a text as gRPC sends it."""
    return len(quote(text, safe=PRINTABLE))


@pytest.mark.parametrize("text", ["", "no [CODE]", "a\nb", "ü" * 100, "x" * MAX_ENCODED_TEXT])
def test_a_text_that_fits_is_left_alone(text: str) -> None:
    assert bounded_text(text) == text


@pytest.mark.parametrize("filling", ["x", "\n", "ü", "😀", "%"])
def test_a_long_text_is_cut_in_its_middle(filling: str) -> None:
    text = bounded_text(f"because {filling * 9000} (do that) [CODE]")
    assert text.startswith("because ")
    assert text.endswith(" (do that) [CODE]")
    assert " ... " in text
    assert MAX_ENCODED_TEXT - 20 < encoded(text) <= MAX_ENCODED_TEXT


def test_half_of_a_surrogate_pair_does_not_travel() -> None:
    assert bounded_text("a\ud800b") == "a?b"


@given(st.text(st.characters(codec=None), max_size=9000))
def test_any_text_fits(text: str) -> None:
    assert encoded(bounded_text(text)) <= MAX_ENCODED_TEXT


def test_the_codes_are_those_of_grpc() -> None:
    import grpc  # type: ignore[import-untyped]  # noqa: PLC0415  # only this test needs it

    assert {status.name: status.value for status in Status} == {code.name: code.value[0] for code in grpc.StatusCode}
