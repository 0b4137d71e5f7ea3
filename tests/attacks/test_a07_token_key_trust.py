"""A07: a token chooses what it is checked with: its own key, no key, a public key as a secret, a key by name."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from trustee_core.token_trust import TokenRefusedError, TokenVerifier, TrustedKey

from tests.conformance.recordings import http_recording
from tests.unit.trustee_core.token_trust.makers import (
    EC_KEY,
    NOW,
    OTHER_EC_KEY,
    P384_KEY,
    RSA_KEY,
    authority,
    b64url,
    claims,
    jwk,
    jws,
    public_pem,
)

ROOT = authority("root", OTHER_EC_KEY)
LEAF = authority("leaf", EC_KEY, ROOT, ca=None)
BY_CERTIFICATE = TokenVerifier(anchors=[ROOT.certificate])
BY_KID = TokenVerifier(keys_by_kid={"k": TrustedKey("RS256", RSA_KEY.public_key(), "set")})
OWN = TokenVerifier(own_keys=[TrustedKey("ES256", EC_KEY.public_key(), "own")])
ATTACKER = P384_KEY


def code(token: str, verifier: TokenVerifier) -> str:
    with pytest.raises(TokenRefusedError) as caught:
        verifier.verify(token, NOW)
    return caught.value.code


def unsigned(header: dict[str, Any]) -> str:
    return ".".join([b64url(json.dumps(header).encode()), b64url(json.dumps(claims()).encode()), ""])


@pytest.mark.parametrize("verifier", [BY_CERTIFICATE, BY_KID, OWN])
@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", ""])
def test_a07_alg_none_is_refused(verifier: TokenVerifier, alg: str) -> None:
    assert code(unsigned({"alg": alg}), verifier) == "TOKEN-KEY"
    assert code(unsigned({"alg": alg, "kid": "k"}), BY_KID) == "TOKEN-ALG"
    assert code(unsigned({"alg": alg, "jwk": jwk(EC_KEY, "ES256")}), OWN) == "TOKEN-ALG"
    assert code(unsigned({"alg": alg, "jwk": jwk(EC_KEY, alg)}), OWN) == "TOKEN-KEY"


def test_a07_a_good_algorithm_without_a_signature_is_refused() -> None:
    assert code(unsigned({"alg": "RS256", "kid": "k"}), BY_KID) == "TOKEN-SIGNATURE"
    assert code(unsigned({"alg": "ES256", "jwk": jwk(EC_KEY, "ES256", x5c=[LEAF.x5c])}), BY_CERTIFICATE) == (
        "TOKEN-SIGNATURE"
    )


def test_a07_a_public_key_is_no_secret_of_hmac() -> None:
    public = RSA_KEY.public_key()
    secrets = [public_pem(RSA_KEY), public_pem(RSA_KEY).strip(), public.public_bytes(Encoding.PEM, PublicFormat.PKCS1)]
    for secret in secrets:
        for header in ({"alg": "HS256", "kid": "k"}, {"alg": "HS256"}):
            assert code(jws(header, claims(), secret), BY_KID) in {"TOKEN-ALG", "TOKEN-KEY"}


def test_a07_a_symmetric_key_in_the_header_is_refused_even_by_the_switch() -> None:
    secret = b"0123456789abcdef0123456789abcdef"
    key = {"kty": "oct", "alg": "HS256", "k": b64url(secret)}
    token = jws({"alg": "HS256", "jwk": key}, claims(), secret)
    for verifier in (BY_CERTIFICATE, OWN, TokenVerifier(insecure_header_jwk=True)):
        assert code(token, verifier) == "TOKEN-KEY"


@pytest.mark.parametrize("verifier", [BY_CERTIFICATE, BY_KID, OWN])
def test_a07_a_header_jwk_is_not_self_trusted(verifier: TokenVerifier) -> None:
    token = jws({"alg": "ES256", "jwk": jwk(ROOT.key, "ES256")}, claims(), ROOT.key)
    expected = "TOKEN-CHAIN" if verifier is BY_CERTIFICATE else "TOKEN-KEY"
    assert code(token, verifier) == expected


def test_a07_a_header_jwk_rules_out_the_search_by_kid() -> None:
    header = {"alg": "RS256", "kid": "k", "jwk": jwk(RSA_KEY, "RS256")}
    assert code(jws(header, claims(), RSA_KEY), BY_KID) == "TOKEN-KEY"
    assert code(jws(header | {"jwk": None}, claims(), RSA_KEY), BY_KID) == "TOKEN-KEY"


def test_a07_a_certificate_of_one_s_own_is_not_trusted() -> None:
    mallory = authority("root", ATTACKER)
    leaf = authority("leaf", EC_KEY, mallory, ca=None)
    for x5c in ([leaf.x5c], [leaf.x5c, mallory.x5c], [leaf.x5c, mallory.x5c, ROOT.x5c], [leaf.x5c, ROOT.x5c]):
        assert code(jws({"alg": "ES256", "jwk": jwk(EC_KEY, "ES256", x5c=x5c)}, claims(), EC_KEY), BY_CERTIFICATE) == (
            "TOKEN-CHAIN"
        )


def test_a07_somebody_else_s_certificate_does_not_cover_the_key() -> None:
    token = jws({"alg": "ES256", "jwk": jwk(ROOT.key, "ES256", x5c=[LEAF.x5c])}, claims(), ROOT.key)
    assert code(token, BY_CERTIFICATE) == "TOKEN-CHAIN"


def test_a07_the_leaf_is_the_first_certificate() -> None:
    token = jws({"alg": "ES256", "jwk": jwk(EC_KEY, "ES256", x5c=[ROOT.x5c, LEAF.x5c])}, claims(), EC_KEY)
    assert code(token, BY_CERTIFICATE) == "TOKEN-CHAIN"


def test_a07_a_partial_chain_is_refused() -> None:
    middle = authority("middle", ATTACKER, ROOT)
    leaf = authority("leaf", EC_KEY, middle, ca=None)
    token = jws({"alg": "ES256", "jwk": jwk(EC_KEY, "ES256", x5c=[leaf.x5c, middle.x5c])}, claims(), EC_KEY)
    assert code(token, TokenVerifier(anchors=[middle.certificate])) == "TOKEN-CHAIN"
    assert BY_CERTIFICATE.verify(token, NOW).key_source == "trusted_certs_paths"


def test_a07_a_certified_leaf_is_no_authority() -> None:
    leaf = authority("leaf", ATTACKER, ROOT, ca=None)
    below = authority("below", EC_KEY, leaf, ca=None)
    token = jws({"alg": "ES256", "jwk": jwk(EC_KEY, "ES256", x5c=[below.x5c, leaf.x5c])}, claims(), EC_KEY)
    assert code(token, BY_CERTIFICATE) == "TOKEN-CHAIN"


@pytest.mark.parametrize("header", [{"x5c": [LEAF.x5c]}, {"x5u": "https://h/c"}, {"jku": "https://h/k"}])
def test_a07_keys_and_addresses_elsewhere_in_the_header_are_not_looked_at(header: dict[str, Any]) -> None:
    for verifier in (BY_CERTIFICATE, BY_KID, OWN):
        assert code(jws({"alg": "ES256", **header}, claims(), EC_KEY), verifier) == "TOKEN-KEY"


@pytest.mark.parametrize(
    "kid", [..., None, "", "K", "k ", "../k", "k\0", "k' OR '1'='1", ["k"], {"k": 1}, 0, True, "/dev/null", "own"]
)
def test_a07_a_kid_names_a_configured_key_or_nothing(kid: Any) -> None:
    header = {name: value for name, value in {"alg": "RS256", "kid": kid}.items() if value is not ...}
    assert code(jws(header, claims(), RSA_KEY), BY_KID) == "TOKEN-KEY"


@pytest.mark.parametrize("crit", [["exp"], [], ["b64"], None, "exp"])
def test_a07_a_critical_header_is_not_passed_over(crit: Any) -> None:
    token = jws({"alg": "ES256", "jwk": jwk(EC_KEY, "ES256"), "crit": crit}, claims(), EC_KEY)
    assert code(token, OWN) == "TOKEN-CRIT"


@pytest.mark.parametrize(
    "header",
    [
        b'{"alg":"ES256","alg":"none","kid":"k"}',
        b'{"alg":"RS256","kid":"k","kid":"x"}',
        b'["RS256"]',
        b'"RS256"',
        b"null",
        b"{}x",
        b"\xff",
        b'{"alg":"RS256","kid":"\\ud800"}',
        b"[" * 100 + b"]" * 100,
    ],
)
def test_a07_a_header_that_can_be_read_in_two_ways_is_refused(header: bytes) -> None:
    assert code(jws(header, claims(), RSA_KEY, "RS256"), BY_KID) == "TOKEN-FORMAT"


def test_a07_another_token_s_signature_is_refused() -> None:
    header = {"alg": "RS256", "kid": "k"}
    one, other = jws(header, claims(sub="one"), RSA_KEY), jws(header, claims(sub="other"), RSA_KEY)
    mixed = one.rpartition(".")[0] + "." + other.rpartition(".")[2]
    assert code(mixed, BY_KID) == "TOKEN-SIGNATURE"
    padded = one + "="
    assert code(padded, BY_KID) == "TOKEN-FORMAT"
    assert code(one + ".", BY_KID) == "TOKEN-FORMAT"
    assert code(f"{one}.{one}", BY_KID) == "TOKEN-FORMAT"


def test_a07_an_ecdsa_signature_is_not_taken_as_der() -> None:
    token = jws({"alg": "ES256", "jwk": jwk(EC_KEY, "ES256")}, claims(), EC_KEY)
    signed = token.rpartition(".")[0]
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415  # used here alone
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    der = EC_KEY.sign(signed.encode(), ec.ECDSA(SHA256()))
    assert code(f"{signed}.{b64url(der)}", OWN) == "TOKEN-SIGNATURE"
    assert code(f"{signed}.{b64url(bytes(64))}", OWN) == "TOKEN-SIGNATURE"


def test_a07_what_a_recorded_token_claims_cannot_be_edited() -> None:
    token: str = http_recording("kbs/flow-p-256").steps[1].response.json["token"]
    header, body, signature = token.split(".")
    edited = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).replace(b"contraindicated", b"affirming")
    forged = f"{header}.{b64url(edited)}.{signature}"
    assert code(forged, TokenVerifier(insecure_header_jwk=True)) == "TOKEN-SIGNATURE"
