"""Tokens: what is remembered of them, for how long, and what is not."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from attestation_protocol.jwk import EcTeeKey
from key_broker_service.errors import TokenRefusedError
from key_broker_service.tokens import KEPT_SECONDS, MAX_KEPT, MAX_KEPT_LENGTH, Tokens
from trustee_core.token_trust import TokenRefusedError as RefusedByTrust
from trustee_core.token_trust import VerifiedToken

from tests.unit.key_broker_service.fakes import KEY, START, Now

if TYPE_CHECKING:
    from datetime import datetime

ANNOTATED = "ear.veraison.annotated-evidence"
EXPIRES = START.timestamp() + 300


class FakeVerifier:
    """Believes every token, and counts."""

    def __init__(self) -> None:
        self.seen = 0
        self.refusal: RefusedByTrust | None = None

    def verify(self, token: str, now: datetime) -> VerifiedToken:
        del now
        self.seen += 1
        if self.refusal is not None:
            raise self.refusal
        payload = token.split(".")[1]
        claims_json = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        return VerifiedToken(json.loads(claims_json), "own", claims_json)


class Trust:
    def __init__(self, *extra_paths: str) -> None:
        self.now = Now()
        self.verifier = FakeVerifier()
        self.tokens = Tokens(self.verifier, self.now, extra_paths)  # type: ignore[arg-type]


def token(tee: str = "snp", key: Any = None, pad: int = 0, **members: Any) -> str:
    evidence: dict[str, Any] = {tee: {}, "runtime_data_claims": {"tee-pubkey": KEY if key is None else key}}
    claims = {"submods": {"cpu0": {ANNOTATED: evidence}}, "exp": EXPIRES, "pad": "x" * pad} | members
    return "e30." + base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode() + ".eA"


def test_a_token_is_verified_once_in_a_while() -> None:
    trust = Trust()
    text = token()
    first = trust.tokens.verify(text)
    trust.now.pass_(seconds=KEPT_SECONDS - 1)
    assert trust.tokens.verify(text) is first
    assert trust.verifier.seen == 1
    trust.now.pass_(seconds=1)
    assert trust.tokens.verify(text) is not first
    assert trust.verifier.seen == 2


def test_a08_a_remembered_token_expires_all_the_same() -> None:
    trust = Trust()
    text = token(exp=START.timestamp() - 30)  # within the grace of 60 s
    trust.tokens.verify(text)
    trust.now.pass_(seconds=31)
    trust.verifier.refusal = RefusedByTrust("expired", code="TOKEN-EXPIRED")
    with pytest.raises(TokenRefusedError) as caught:
        trust.tokens.verify(text)
    assert caught.value.code == "TOKEN-EXPIRED"


def test_a_clock_that_goes_back_verifies_again() -> None:
    trust = Trust()
    trust.tokens.verify(token())
    trust.now.pass_(seconds=-1)
    trust.tokens.verify(token())
    assert trust.verifier.seen == 2


def test_a_refused_token_is_not_remembered_and_says_why_to_the_operator_alone() -> None:
    trust = Trust()
    trust.verifier.refusal = RefusedByTrust("the inner reason", code="TOKEN-SIGNATURE")
    for _ in range(2):
        with pytest.raises(TokenRefusedError) as caught:
            trust.tokens.verify(token())
        assert (caught.value.code, caught.value.why) == ("TOKEN-SIGNATURE", "the inner reason")
        assert b"inner" not in caught.value.document()
    assert trust.verifier.seen == 2


def test_a24_what_is_remembered_is_bounded() -> None:
    trust = Trust()
    texts = [token(number=number) for number in range(MAX_KEPT + 10)]
    for text in texts:
        trust.tokens.verify(text)
    assert len(trust.tokens._kept) == MAX_KEPT
    trust.tokens.verify(token(pad=MAX_KEPT_LENGTH))
    assert len(trust.tokens._kept) == MAX_KEPT
    assert texts[-1] in trust.tokens._kept
    assert texts[0] not in trust.tokens._kept


def test_the_claims_are_passed_on_as_the_issuer_wrote_them() -> None:
    text = token(spaced={"a": 1.0})
    trusted = Trust().tokens.verify(text)
    assert b'"spaced": {"a": 1.0}' in trusted.claims_json
    assert json.loads(trusted.claims_json) == trusted.claims


@pytest.mark.parametrize(("tee", "samples"), [("snp", False), ("sample", True), ("sampledevice", True)])
def test_sample_evidence_is_noted(tee: str, *, samples: bool) -> None:
    assert Trust().tokens.verify(token(tee)).rests_on_samples is samples


def test_the_tee_key_is_found_in_the_usual_place_or_a_configured_one() -> None:
    usual, other = EcTeeKey("P-256", "ECDH-ES+A256KW", "eA", "eQ"), EcTeeKey("P-521", "ECDH-ES+A256KW", "eA", "eQ")
    text = token(mine={"key": KEY | {"crv": "P-521"}})
    assert Trust().tokens.verify(text).tee_key == usual
    assert Trust("/nowhere", "/mine/key").tokens.verify(text).tee_key == other


@pytest.mark.parametrize(
    ("key", "code"), [("no object", "TOKEN-TEE-KEY"), ({"kty": "oct"}, "TEE-PUBKEY"), ({"kty": "EC"}, "TEE-PUBKEY")]
)
def test_a_token_without_a_usable_key_is_refused(key: Any, code: str) -> None:
    trusted = Trust().tokens.verify(token(key=key))
    with pytest.raises(TokenRefusedError) as caught:
        _ = trusted.tee_key
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("submodules", "expected"),
    [
        ({"cpu0": {ANNOTATED: {"init_data_claims": {"a": 1}}}, "gpu0": {ANNOTATED: {}}}, {"a": 1}),
        ({"gpu0": {ANNOTATED: {"init_data_claims": {"a": 1}}}}, None),
        ([], None),
        ({"cpu0": "x"}, None),
        ({"cpu0": {ANNOTATED: None}}, None),
    ],
)
def test_init_data_claims_are_those_of_the_primary_evidence(submodules: Any, expected: Any) -> None:
    assert Trust().tokens.verify(token(submods=submodules)).init_data == expected


def test_a35_a_token_does_not_show_its_claims() -> None:
    assert "pad" not in repr(Trust().tokens.verify(token()))
