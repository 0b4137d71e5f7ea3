"""Tokens taken apart, unverified."""

from __future__ import annotations

import json

import pytest
from attestation_protocol.encoding import b64url_encode
from attestation_protocol.errors import TokenFormatError
from attestation_protocol.rcar import Response
from attestation_protocol.token import MAX_TOKEN, UnverifiedToken
from hypothesis import given
from hypothesis import strategies as st

from tests.conformance.recordings import http_recording


def compact(header: object, claims: object, signature: bytes = b"s") -> str:
    return ".".join(
        [*(b64url_encode(json.dumps(part).encode()) for part in (header, claims)), b64url_encode(signature)]
    )


def test_a_recorded_token_is_taken_apart() -> None:
    response = Response.parse(http_recording("stock/agent-token").steps[1].response.body)
    token = UnverifiedToken.parse(response.token)
    assert token.header["alg"] == "ES256"
    assert token.expires == token.claims["iat"] + 300
    assert token.not_before is None
    assert response.token not in repr(token) + repr(response)


def test_dates_that_are_no_numbers_are_absent() -> None:
    token = UnverifiedToken.parse(compact({}, {"exp": "1", "nbf": True}))
    assert (token.expires, token.not_before) == (None, None)
    assert UnverifiedToken.parse(compact({}, {"exp": 1.5, "nbf": 2})).expires == 1.5


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.b",
        "a.b.c.d",
        "e30.e30.=",
        "!.e30.",
        "e30.W10.",
        "W10.e30.",
        "e30.e30." + "A" * MAX_TOKEN,
        "e30.eyJhIjoxLCJhIjoyfQ.",
    ],
)
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(TokenFormatError) as caught:
        UnverifiedToken.parse(text)
    assert caught.value.code == "TOKEN-FORMAT"


@pytest.mark.parametrize("size", [1, 9000])
def test_tokens_of_one_issuer_have_headers_of_their_own(size: int) -> None:
    text = compact({"alg": "ES256", "kid": "k" * size}, {"exp": 1})
    first = UnverifiedToken.parse(text)
    first.header["alg"] = "none"
    assert UnverifiedToken.parse(text).header == {"alg": "ES256", "kid": "k" * size}


@given(st.text(max_size=80))
def test_a24_any_text_is_a_token_or_the_one_error(text: str) -> None:
    try:
        UnverifiedToken.parse(text)
    except TokenFormatError as error:
        assert error.code == "TOKEN-FORMAT"  # noqa: PT017  # either outcome is right
