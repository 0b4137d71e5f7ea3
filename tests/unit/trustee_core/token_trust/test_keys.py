"""Which keys check tokens, and with which algorithm."""

from __future__ import annotations

from typing import Any

import pytest
from attestation_protocol.errors import KeyFormatError
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from trustee_core.token_trust.keys import TrustedKey, algorithms_of, key_from_jwk, key_from_pem

from tests.conformance.vectors import vector
from tests.unit.trustee_core.token_trust.makers import (
    EC_KEY,
    ED_KEY,
    OTHER_EC_KEY,
    OTHER_ED_KEY,
    OTHER_RSA_KEY,
    P384_KEY,
    RSA_KEY,
    PrivateKey,
    jwk,
    number,
    public_pem,
    signature,
)

RSA_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]
KEYS: list[tuple[PrivateKey, str, PrivateKey]] = [
    *((RSA_KEY, alg, OTHER_RSA_KEY) for alg in RSA_ALGORITHMS),
    (EC_KEY, "ES256", OTHER_EC_KEY),
    (P384_KEY, "ES384", ec.derive_private_key(10, ec.SECP384R1())),
    (ED_KEY, "EdDSA", OTHER_ED_KEY),
]
P521 = ec.derive_private_key(11, ec.SECP521R1())


@pytest.mark.parametrize(("key", "alg", "other"), KEYS)
def test_a_key_knows_its_signatures(key: PrivateKey, alg: str, other: PrivateKey) -> None:
    trusted = key_from_jwk(jwk(key, alg, kid="k", use="sig", x5t="ignored"), "somewhere")
    assert (trusted.algorithm, trusted.source) == (alg, "somewhere")
    good = signature(key, alg, b"data")
    assert trusted.has_signed(b"data", good)
    assert not trusted.has_signed(b"datb", good)
    assert not trusted.has_signed(b"data", signature(other, alg, b"data"))
    for size in (0, 1, len(good) - 1, len(good) + 1):
        assert not trusted.has_signed(b"data", (good + b"\0")[:size])


@pytest.mark.parametrize(("key", "alg", "size"), [(EC_KEY, "ES256", 32), (P384_KEY, "ES384", 48)])
def test_a07_halves_of_nothing_sign_nothing(key: PrivateKey, alg: str, size: int) -> None:
    trusted = key_from_jwk(jwk(key, alg), "")
    good = signature(key, alg, b"data")
    r, s = good[:size], good[size:]
    for wrong in (bytes(2 * size), r + bytes(size), bytes(size) + s, b"\xff" * (2 * size), s + r):
        assert not trusted.has_signed(b"data", wrong)
    assert not trusted.has_signed(b"data", encode_dss_signature(int.from_bytes(r), int.from_bytes(s)))


@pytest.mark.parametrize(
    ("one", "another"), [("RS256", "PS256"), ("PS256", "RS256"), ("RS256", "RS384"), ("PS384", "PS512")]
)
def test_a07_an_algorithm_is_not_taken_for_another_of_the_same_key(one: str, another: str) -> None:
    assert not key_from_jwk(jwk(RSA_KEY, one), "").has_signed(b"data", signature(RSA_KEY, another, b"data"))


@pytest.mark.parametrize(
    ("key", "alg"),
    [
        (EC_KEY, "ES384"),
        (EC_KEY, "RS256"),
        (EC_KEY, "ES256K"),
        (P384_KEY, "ES256"),
        (P521, "ES512"),
        (P521, "ES256"),
        (RSA_KEY, "ES256"),
        (RSA_KEY, "HS256"),
        (RSA_KEY, "none"),
        (RSA_KEY, "RSA-OAEP-256"),
        (ED_KEY, "ES256"),
        (ED_KEY, "eddsa"),
        (EC_KEY, ""),
        (EC_KEY, None),
    ],
)
def test_a07_an_algorithm_must_fit_the_key(key: PrivateKey, alg: str | None) -> None:
    with pytest.raises(KeyFormatError):
        key_from_jwk(jwk(key, alg), "")


@pytest.mark.parametrize("kty", ["oct", "OKP", "RSA", "AKP", None, 1, ["EC"]])
def test_a07_keys_that_both_sides_hold_and_odd_kinds_are_not_taken(kty: Any) -> None:
    for alg in ("HS256", "ES256", "none", "EdDSA"):
        with pytest.raises(KeyFormatError):
            key_from_jwk({"kty": kty, "alg": alg, "k": "c2VjcmV0"}, "")


@pytest.mark.parametrize("member", ["kty", "crv", "x", "y", "alg"])
@pytest.mark.parametrize("value", [..., None, "", 5, ["P-256"], "!!", "AA"])
def test_a_malformed_ec_key_is_refused(member: str, value: Any) -> None:
    document = jwk(EC_KEY, "ES256") | {member: value}
    with pytest.raises(KeyFormatError):
        key_from_jwk({name: item for name, item in document.items() if item is not ...}, "")


@pytest.mark.parametrize("member", ["n", "e"])
@pytest.mark.parametrize("value", [..., None, "", 5, "!!", "AA", "AQ", "Ag"])
def test_a_malformed_rsa_key_is_refused(member: str, value: Any) -> None:
    document = jwk(RSA_KEY, "RS256") | {member: value}
    with pytest.raises(KeyFormatError):
        key_from_jwk({name: item for name, item in document.items() if item is not ...}, "")


@pytest.mark.parametrize("value", [..., None, "", "AA", "!!"])
def test_a_malformed_ed25519_key_is_refused(value: Any) -> None:
    document = jwk(ED_KEY, "EdDSA") | {"x": value}
    with pytest.raises(KeyFormatError):
        key_from_jwk({name: item for name, item in document.items() if item is not ...}, "")


def test_a09_a_point_that_is_not_on_the_curve_is_refused() -> None:
    with pytest.raises(KeyFormatError):
        key_from_jwk(jwk(EC_KEY, "ES256") | {"y": jwk(OTHER_EC_KEY, None)["y"]}, "")


def test_coordinates_have_the_width_of_the_curve() -> None:
    x = EC_KEY.public_key().public_numbers().x
    with pytest.raises(KeyFormatError):
        key_from_jwk(jwk(EC_KEY, "ES256") | {"x": number(x, 33)}, "")


def test_rsa_keys_have_2048_bits_and_a_small_exponent() -> None:
    short = rsa.generate_private_key(65537, 1024)  # noqa: S505  # what is refused
    assert algorithms_of(short.public_key()) == frozenset()
    for document in (jwk(short, "RS256"), jwk(RSA_KEY, "RS256") | {"n": number(2**8200 + 1)}):
        with pytest.raises(KeyFormatError):
            key_from_jwk(document, "")
    with pytest.raises(KeyFormatError):
        key_from_jwk(jwk(RSA_KEY, "RS256") | {"e": number(2**33 + 1)}, "")


@pytest.mark.parametrize("value", [None, [], "x", 3, {}])
def test_what_is_no_jwk_is_refused(value: Any) -> None:
    with pytest.raises(KeyFormatError):
        key_from_jwk(value, "")


@pytest.mark.parametrize("key", [RSA_KEY, EC_KEY, P384_KEY, ED_KEY])
def test_public_keys_are_read_from_pem(key: PrivateKey) -> None:
    assert key_from_pem(public_pem(key)) == key.public_key()


def test_other_pem_is_refused() -> None:
    others = (
        P521.public_key(),
        Ed448PrivateKey.generate().public_key(),
        rsa.generate_private_key(65537, 1024).public_key(),  # noqa: S505  # what is refused
    )
    pems = [key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo) for key in others]
    for pem in (*pems, b"", b"x", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"):
        with pytest.raises(KeyFormatError):
            key_from_pem(pem)


def test_a_key_shows_nothing_but_its_algorithm_and_place() -> None:
    assert repr(key_from_jwk(jwk(EC_KEY, "ES256"), "here")) == "TrustedKey(algorithm='ES256', source='here')"
    with pytest.raises(KeyFormatError) as caught:
        TrustedKey("RS256", EC_KEY.public_key(), "here")
    assert caught.value.advice == "this key is for ES256"


@pytest.mark.vectors
def test_the_published_set_of_an_attestation_service_is_read() -> None:
    import json  # noqa: PLC0415  # used here alone

    (document,) = json.loads(vector("tokens/as-jwks/expected-jwks.json").read_bytes())["keys"]
    assert key_from_jwk(document, "").algorithm == "ES256"


@given(
    st.dictionaries(
        st.sampled_from(["kty", "crv", "alg", "n", "e", "x", "y"]),
        st.sampled_from(["EC", "RSA", "OKP", "P-256", "Ed25519", "ES256", "RS256", "EdDSA", "AQAB"])
        | st.text(max_size=50),
    )
)
def test_a24_any_jwk_is_a_key_or_refused(document: dict[str, str]) -> None:
    try:
        assert key_from_jwk(document, "").algorithm == document["alg"]
    except KeyFormatError as error:
        assert error.code == "KEY-FORMAT"  # noqa: PT017  # either outcome is right
