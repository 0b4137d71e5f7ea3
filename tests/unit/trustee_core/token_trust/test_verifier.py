"""Whether an attestation token is to be trusted."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from attestack_common.errors import ConfigError
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from trustee_core.token_trust import TokenRefusedError, TokenTrustConfig, TokenVerifier, TrustedKey, verifier
from trustee_core.token_trust.chain import require_endorsed
from trustee_core.token_trust.verifier import MAX_CACHED

from tests.conformance.recordings import http_recording
from tests.conformance.vectors import vector
from tests.unit.trustee_core.token_trust.makers import (
    EC_KEY,
    ED_KEY,
    NOW,
    OTHER_EC_KEY,
    P384_KEY,
    RSA_KEY,
    PrivateKey,
    authority,
    claims,
    jwk,
    jws,
)

if TYPE_CHECKING:
    from pathlib import Path

ROOT = authority("root", OTHER_EC_KEY)
LEAF = authority("leaf", EC_KEY, ROOT, ca=None)
OWN = TrustedKey("ES256", EC_KEY.public_key(), "own")


def code(token: str, trusted: TokenVerifier, now: datetime = NOW) -> str:
    with pytest.raises(TokenRefusedError) as caught:
        trusted.verify(token, now)
    assert token not in str(caught.value)
    return caught.value.code


def header_token(key: PrivateKey = EC_KEY, alg: str = "ES256", **members: Any) -> str:
    return jws({"typ": "JWT", "alg": alg, "jwk": jwk(key, alg, **members)}, claims(tee="snp"), key)


async def test_own_keys_are_trusted_by_what_they_are() -> None:
    trusted = await TokenVerifier.load(TokenTrustConfig(), additional_keys=[OWN])
    token = trusted.verify(header_token(), NOW)
    assert (token.claims["tee"], token.key_source) == ("snp", "own")
    assert repr(token) == "VerifiedToken(key_source='own')"
    assert code(header_token(OTHER_EC_KEY), trusted) == "TOKEN-KEY"
    assert code(header_token(OTHER_EC_KEY, x5c=[LEAF.x5c]), trusted) == "TOKEN-KEY"


async def test_a_configured_set_is_searched_by_kid(tmp_path: Path) -> None:
    for name, key in (("one", EC_KEY), ("two", OTHER_EC_KEY)):
        (tmp_path / name).write_text(
            json.dumps({"keys": [jwk(key, "ES256", kid="a"), jwk(P384_KEY, "ES384", kid=name)]})
        )
    trusted = await TokenVerifier.load(
        TokenTrustConfig(trusted_jwk_sets=[str(tmp_path / "one"), str(tmp_path / "two")])
    )
    found = trusted.verify(jws({"alg": "ES256", "kid": "a"}, claims(), EC_KEY), NOW)
    assert found.key_source == str(tmp_path / "one")
    for kid in ("one", "two"):
        trusted.verify(jws({"alg": "ES384", "kid": kid}, claims(), P384_KEY), NOW)
    assert code(jws({"alg": "ES256", "kid": "a"}, claims(), OTHER_EC_KEY), trusted) == "TOKEN-SIGNATURE"
    assert code(jws({"alg": "ES256", "kid": "b"}, claims(), EC_KEY), trusted) == "TOKEN-KEY"


async def test_a_key_that_the_token_brings_is_trusted_when_a_set_has_it(tmp_path: Path) -> None:
    keys = [jwk(EC_KEY, "ES256"), jwk(RSA_KEY, "PS256", kid="r")]  # the first as the attestation service publishes it
    (tmp_path / "set.json").write_text(json.dumps({"keys": keys}))
    trusted = await TokenVerifier.load(TokenTrustConfig(trusted_jwk_sets=[str(tmp_path / "set.json")]))
    assert trusted.verify(header_token(), NOW).key_source == str(tmp_path / "set.json")
    assert trusted.verify(header_token(RSA_KEY, "PS256"), NOW).key_source == str(tmp_path / "set.json")
    assert code(header_token(RSA_KEY, "RS256"), trusted) == "TOKEN-ALG"
    assert code(header_token(OTHER_EC_KEY), trusted) == "TOKEN-KEY"
    forged = jws({"typ": "JWT", "alg": "ES256", "jwk": jwk(EC_KEY, "ES256")}, claims(), OTHER_EC_KEY)
    assert code(forged, trusted) == "TOKEN-SIGNATURE"


async def test_certificates_are_read_from_files(tmp_path: Path) -> None:
    (tmp_path / "roots.pem").write_bytes(authority("other", P384_KEY).pem + ROOT.pem)
    trusted = await TokenVerifier.load(TokenTrustConfig(trusted_certs_paths=[str(tmp_path / "roots.pem")]))
    assert trusted.verify(header_token(x5c=[LEAF.x5c]), NOW).key_source == "trusted_certs_paths"


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"x", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
async def test_a_file_without_certificates_stops_the_start(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "roots.pem"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        await TokenVerifier.load(TokenTrustConfig(trusted_certs_paths=[str(file)]), additional_keys=[OWN])
    assert caught.value.code == "TOKEN-TRUST-CERTIFICATES"
    assert str(file) in caught.value.message


async def test_trust_in_nothing_stops_the_start() -> None:
    with pytest.raises(ConfigError) as caught:
        await TokenVerifier.load(TokenTrustConfig(extra_teekey_paths=["/a"]))
    assert caught.value.code == "TOKEN-TRUST"


async def test_the_switch_for_header_keys_checks_the_signature_all_the_same() -> None:
    trusted = await TokenVerifier.load(TokenTrustConfig(insecure_header_jwk=True))
    for key, alg in ((EC_KEY, "ES256"), (P384_KEY, "ES384"), (RSA_KEY, "PS512"), (ED_KEY, "EdDSA")):
        assert trusted.verify(header_token(key, alg), NOW).key_source == "insecure_header_jwk"
    forged = jws({"alg": "ES256", "jwk": jwk(EC_KEY, "ES256")}, claims(), OTHER_EC_KEY)
    assert code(forged, trusted) == "TOKEN-SIGNATURE"


@pytest.mark.parametrize("key", [RSA_KEY, EC_KEY])
def test_rsa_and_p256_keys_are_endorsed(key: PrivateKey) -> None:
    alg = "RS256" if key is RSA_KEY else "ES256"
    leaf = authority("leaf", key, ROOT, ca=None)
    TokenVerifier(anchors=[ROOT.certificate]).verify(header_token(key, alg, x5c=[leaf.x5c]), NOW)


@pytest.mark.parametrize(("key", "alg"), [(P384_KEY, "ES384"), (ED_KEY, "EdDSA")])
def test_keys_of_other_kinds_are_not_endorsed(key: PrivateKey, alg: str) -> None:
    leaf = authority("leaf", key, ROOT, ca=None)
    assert code(header_token(key, alg, x5c=[leaf.x5c]), TokenVerifier(anchors=[ROOT.certificate])) == "TOKEN-KEY"


def test_an_endorsement_is_looked_at_once_and_ends_with_its_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[datetime] = []

    def counting(chain: Any, anchors: Any, now: datetime) -> Any:
        looked.append(now)
        return require_endorsed(chain, anchors, now)

    monkeypatch.setattr(verifier, "require_endorsed", counting)
    trusted = TokenVerifier(anchors=[ROOT.certificate])
    leaf = authority("leaf", EC_KEY, ROOT, ca=None, not_after=NOW + timedelta(minutes=2))
    token = header_token(x5c=[leaf.x5c])
    for _ in range(3):
        trusted.verify(token, NOW)
    assert looked == [NOW]
    late = NOW + timedelta(minutes=3)
    assert code(token, trusted, late) == "TOKEN-CHAIN"
    trusted.verify(token, NOW)
    assert looked == [NOW, late]


def test_a24_what_is_remembered_is_bounded() -> None:
    trusted = TokenVerifier(insecure_header_jwk=True)
    for number in range(MAX_CACHED + 10):
        trusted.verify(jws({"alg": "ES256", "jwk": jwk(EC_KEY, "ES256"), "n": number}, claims(), EC_KEY), NOW)
    assert len(trusted._cache) == MAX_CACHED
    long = jws({"alg": "ES256", "jwk": jwk(EC_KEY, "ES256"), "n": "x" * 40_000}, claims(), EC_KEY)
    trusted.verify(long, NOW)
    assert max(len(header) for header in trusted._cache) < 40_000


@pytest.mark.vectors
@pytest.mark.parametrize(
    ("scenario", "good"), [(1, True), (2, False), (3, False), (4, False), (5, True), (6, True), (7, True)]
)
def test_the_published_scenarios_have_their_verdicts(scenario: int, good: bool) -> None:  # noqa: FBT001
    document = json.loads(vector(f"tokens/kbs-jwk/scenario{scenario:02}-jwk.json").read_bytes())
    anchors = x509.load_pem_x509_certificates(vector(f"tokens/kbs-jwk/scenario{scenario:02}-trust.pem").read_bytes())
    trusted = TokenVerifier(anchors=anchors)
    # the fixtures have no private key: an endorsed key refuses the signature, a key that is not endorsed comes before
    token = jws({"alg": "RS256", "jwk": document}, claims(), RSA_KEY)
    now = datetime(2026, 11, 22, tzinfo=UTC)
    assert code(token, trusted, now) == ("TOKEN-SIGNATURE" if good else "TOKEN-CHAIN")


@pytest.mark.vectors
def test_a_legacy_token_is_refused() -> None:
    token = vector("tokens/seed-simple-token.jwt").read_text().strip()
    assert code(token, TokenVerifier(insecure_header_jwk=True)) == "TOKEN-KEY"


def recorded(name: str, step: int) -> str:
    token: str = http_recording(name).steps[step].response.json["token"]
    return token


ISSUED = datetime(2026, 11, 22, 11, 14, tzinfo=UTC)


def test_a_recorded_token_is_endorsed_by_its_authority() -> None:
    issue = http_recording("passport/issue")
    anchors = x509.load_pem_x509_certificates(issue.members["ca_pem"].encode())
    token = recorded("passport/issue", 1)
    found = TokenVerifier(anchors=anchors).verify(token, ISSUED)
    assert found.claims["iss"] == "CoCo-Attestation-Service"
    assert found.key_source == "trusted_certs_paths"
    assert code(token, TokenVerifier(anchors=[ROOT.certificate]), ISSUED) == "TOKEN-CHAIN"
    assert code(token, TokenVerifier(anchors=anchors), ISSUED + timedelta(minutes=10)) == "TOKEN-EXPIRED"


def test_recorded_bearers_are_refused_as_recorded() -> None:
    steps = http_recording("kbs/token-refused").steps
    tokens = [(step.note, (step.request.headers.get("authorization") or "")) for step in steps[2:]]
    trusted = TokenVerifier(insecure_header_jwk=True)
    refused = {
        note: code(value.removeprefix("Bearer "), trusted, ISSUED)
        for note, value in tokens
        if value.removeprefix("Bearer ") and value.startswith("Bearer ")
    }
    assert refused["not a JWT"] == "TOKEN-FORMAT"
    assert refused["alg none"] == "TOKEN-KEY"
    assert set(refused.values()) <= {"TOKEN-FORMAT", "TOKEN-KEY", "TOKEN-SIGNATURE"}
    assert len(refused) >= 4
    assert trusted.verify(recorded("kbs/token-refused", 1), ISSUED).key_source == "insecure_header_jwk"


@pytest.mark.parametrize("alg", [..., None, "", "none", "ES384", "RS256", "HS256", "es256", ["ES256"], 5])
def test_a07_the_header_s_algorithm_is_the_key_s(alg: Any) -> None:
    header = {"alg": alg, "jwk": jwk(EC_KEY, "ES256")}
    token = jws({name: value for name, value in header.items() if value is not ...}, claims(), EC_KEY, "ES256")
    assert code(token, TokenVerifier(own_keys=[OWN])) == "TOKEN-ALG"


def test_other_members_of_the_header_do_no_harm() -> None:
    header = {
        "alg": "ES256",
        "typ": "JWT",
        "jwk": jwk(EC_KEY, "ES256"),
        "cty": "x",
        "x5u": "https://h",
        "jku": "https://h",
    }
    TokenVerifier(own_keys=[OWN]).verify(jws(header, claims(), EC_KEY), NOW)


@given(st.text(max_size=100) | st.from_regex(r"\A[\w-]{0,40}\.[\w-]{0,40}\.[\w-]{0,40}\Z"))
def test_a24_any_text_is_refused(text: str) -> None:
    with pytest.raises(TokenRefusedError) as caught:
        TokenVerifier(insecure_header_jwk=True).verify(text, NOW)
    assert caught.value.code.startswith("TOKEN-")


@given(st.integers(0, 600), st.sampled_from("Ab0_-.!="))
def test_a07_a_changed_character_refuses_the_token(at: int, character: str) -> None:
    token = header_token()
    changed = token[: at % len(token)] + character + token[at % len(token) + 1 :]
    if changed != token:
        assert code(changed, TokenVerifier(own_keys=[OWN])).startswith("TOKEN-")


def test_a_p521_key_checks_nothing() -> None:
    key = ec.derive_private_key(3, ec.SECP521R1())
    assert code(header_token(key, "ES512"), TokenVerifier(insecure_header_jwk=True)) == "TOKEN-KEY"
