"""A08: a token is spent outside its time, or its text is bent so that two readers see two things."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from attestation_protocol.token import MAX_TOKEN
from trustee_core.token_trust import TeeKeyError, TokenRefusedError, TokenVerifier, TrustedKey, tee_public_key

from tests.unit.trustee_core.token_trust.makers import EC_KEY, NOW, SECONDS, claims, jwk, jws

HEADER = {"alg": "ES256", "jwk": jwk(EC_KEY, "ES256")}
VERIFIER = TokenVerifier(own_keys=[TrustedKey("ES256", EC_KEY.public_key(), "own")])


def token(**members: Any) -> str:
    return jws(HEADER, claims(**members), EC_KEY)


def code(text: str, seconds_later: float = 0) -> str | None:
    try:
        VERIFIER.verify(text, NOW + timedelta(seconds=seconds_later))
    except TokenRefusedError as error:
        return error.code
    return None


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"exp": SECONDS + 1}, None),
        ({"exp": SECONDS - 60}, None),
        ({"exp": SECONDS - 61}, "TOKEN-EXPIRED"),
        ({"exp": 0}, "TOKEN-EXPIRED"),
        ({"exp": ...}, "TOKEN-CLAIMS"),
        ({"exp": None}, "TOKEN-CLAIMS"),
        ({"exp": "99999999999"}, "TOKEN-CLAIMS"),
        ({"exp": True}, "TOKEN-CLAIMS"),
        ({"exp": [SECONDS]}, "TOKEN-CLAIMS"),
        ({"nbf": SECONDS + 60}, None),
        ({"nbf": SECONDS + 61}, "TOKEN-NOT-YET"),
        ({"nbf": "0"}, "TOKEN-CLAIMS"),
        ({"nbf": None}, "TOKEN-CLAIMS"),
    ],
)
def test_a08_a_token_is_good_in_its_time_alone(members: dict[str, Any], expected: str | None) -> None:
    assert code(token(**members)) == expected


def test_a08_a_token_that_was_good_expires_although_its_key_is_remembered() -> None:
    text = token(exp=SECONDS + 100)
    assert [code(text, later) for later in (0, 100, 160, 161, 0)] == [None, None, None, "TOKEN-EXPIRED", None]


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"NaN", b"Infinity", b"1" * 30])
def test_a08_a_date_beyond_all_numbers_is_no_eternity(number: bytes) -> None:
    assert code(jws(HEADER, b'{"exp":' + number + b"}", EC_KEY)) in {"TOKEN-CLAIMS", "TOKEN-FORMAT"}


@pytest.mark.parametrize(
    "body",
    [
        b'{"exp":9999999999,"exp":1}',
        b'{"exp":9999999999,"submods":{"cpu0":{"ear.status":"none","ear.status":"affirming"}}}',
        b"[]",
        b"null",
        b'"x"',
        b"",
        b'{"exp":9999999999}{}',
        b'{"exp":9999999999,"a":' + b"[" * 100 + b"]" * 100 + b"}",
        b'{"exp":9999999999,"a":"\\udc00"}',
        b'\xef\xbb\xbf{"exp":9999999999}',
        '{"exp":9999999999}'.encode("utf-16"),
    ],
)
def test_a08_claims_that_can_be_read_in_two_ways_are_refused(body: bytes) -> None:
    assert code(jws(HEADER, body, EC_KEY)) == "TOKEN-FORMAT"


def test_a24_a_token_has_at_most_128_kib() -> None:
    def of_size(size: int) -> str:
        filler = size - len(token(a=""))
        return token(a="x" * (filler * 3 // 4))

    at_most = of_size(MAX_TOKEN - 8)
    assert len(at_most) <= MAX_TOKEN
    assert code(at_most) is None
    assert code(token(a="x" * MAX_TOKEN)) == "TOKEN-FORMAT"
    assert code("a." * (5 * MAX_TOKEN)) == "TOKEN-FORMAT"


@pytest.mark.parametrize(
    "text", ["", ".", "..", "a", "a.b", "a.b.c", "a.b.c.d", " ", "é.é.é", "\0.\0.\0", "Bearer x.y.z"]
)
def test_a08_what_is_no_token_is_refused(text: str) -> None:
    assert code(text) == "TOKEN-FORMAT"


def test_a08_the_key_of_the_token_is_the_one_that_its_claims_name() -> None:
    key = {"kty": "EC", "crv": "P-256", "alg": "ECDH-ES+A256KW", "x": "a", "y": "b"}
    evidence = {"runtime_data_claims": {"tee-pubkey": key}}
    submods = {
        "cpu0": {"ear.veraison.annotated-evidence": evidence},
        "cpu1": {"ear.veraison.annotated-evidence": {"runtime_data_claims": {"tee-pubkey": {"kty": "RSA"}}}},
    }
    verified = VERIFIER.verify(token(submods=submods), NOW)
    assert tee_public_key(verified.claims) == key
    with pytest.raises(TeeKeyError) as caught:
        tee_public_key(VERIFIER.verify(token(submods={"cpu1": submods["cpu1"]}), NOW).claims)
    assert caught.value.code == "TOKEN-TEE-KEY"
