"""EAR: tiers, vectors, and members in their order on the wire."""

from __future__ import annotations

import json
from typing import Any

import pytest
from attestation_protocol.ear import (
    TRUST_CLAIMS,
    AttestationResult,
    Submodule,
    Tier,
    TrustVector,
    VerifierId,
    submodule_names,
)
from attestation_protocol.errors import MessageError
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("values", "tier"),
    [
        ((-1, 0, 1), "none"),
        ((-32, -2, 2, 31), "affirming"),
        ((-96, -33, 32, 95), "warning"),
        ((-128, -97, 96, 127), "contraindicated"),
    ],
)
def test_the_edges_of_the_tiers(values: tuple[int, ...], tier: str) -> None:
    assert {Tier.of(value) for value in values} == {tier}


def test_the_status_is_the_worst_tier_over_the_claims_that_were_made() -> None:
    assert TrustVector({}).status is Tier.NONE
    assert TrustVector({"hardware": 2, "executables": 0}).status is Tier.AFFIRMING
    assert TrustVector({"hardware": 2, "executables": 33}).status is Tier.WARNING
    assert TrustVector({"hardware": 97, "executables": 2}).status is Tier.CONTRAINDICATED


@given(st.dictionaries(st.sampled_from(TRUST_CLAIMS), st.integers(-128, 127)))
def test_no_claim_is_worse_than_the_status(claims: dict[str, int]) -> None:
    vector = TrustVector(claims)
    assert not any(Tier.of(value).worse_than(vector.status) for value in claims.values())
    assert list(vector.to_json()) == [name for name in TRUST_CLAIMS if name in claims]


@pytest.mark.parametrize(
    "claims", [{"hardwear": 2}, {"hardware": 128}, {"hardware": True}, {"hardware": 2.0}, {"hardware": None}]
)
def test_a20_other_claims_are_refused(claims: dict[str, Any]) -> None:
    with pytest.raises(MessageError) as caught:
        TrustVector(claims)
    assert caught.value.code == "EAR-TRUST-VECTOR"


def test_submodules_are_counted_per_class() -> None:
    assert submodule_names(["cpu", "gpu", "gpu", "switch", "cpu"]) == ["cpu0", "gpu0", "gpu1", "switch0", "cpu1"]


def test_members_stand_in_their_order_on_the_wire() -> None:
    submodule = Submodule(
        TrustVector({"hardware": 97, "instance-identity": 0}),
        "default",
        {"sample": {"svn": "1", "debug": False}, "report_data": "x", "list": [{"b": 1, "a": (2,)}]},
        {"ear.trustee.identifiers": {"validated": {}, "floor": 1e16}, "dropped": None},
    )
    encoded = AttestationResult("profile", 1, 301, "issuer", VerifierId("d", "b"), {"cpu0": submodule}).to_json()
    assert encoded.endswith(b'"ear.trustee.identifiers":{"floor":1e+16,"validated":{}}}},"exp":301,"iss":"issuer"}')
    result = json.loads(encoded)
    assert list(result) == ["eat_profile", "iat", "ear.verifier-id", "submods", "exp", "iss"]
    assert result["submods"]["cpu0"] == {
        "ear.status": "contraindicated",
        "ear.trustworthiness-vector": {"instance-identity": 0, "hardware": 97},
        "ear.appraisal-policy-id": "default",
        "ear.veraison.annotated-evidence": {
            "list": [{"a": [2], "b": 1}],
            "report_data": "x",
            "sample": {"debug": False, "svn": "1"},
        },
        "ear.trustee.identifiers": {"validated": {}, "floor": 1e16},
    }
    assert list(result["submods"]["cpu0"]["ear.veraison.annotated-evidence"]["sample"]) == ["debug", "svn"]


def test_what_was_encoded_already_is_taken_as_it_is() -> None:
    evidence = {"b": 1, "a": 2}
    once, twice = (Submodule(TrustVector({}), "default", evidence, {}, done) for done in (b'{"a":2,"b":1}', b""))
    encoded = once.to_json()
    assert encoded == twice.to_json()
    assert encoded == (
        b'{"ear.status":"none","ear.trustworthiness-vector":{},"ear.appraisal-policy-id":"default",'
        b'"ear.veraison.annotated-evidence":{"a":2,"b":1}}'
    )


def test_the_repr_of_a_submodule_shows_no_evidence() -> None:
    shown = repr(Submodule(TrustVector({"hardware": 2}), "default", {"sample": "seen"}, {"x": "seen"}, b"seen"))
    assert shown == "Submodule(trust_vector=TrustVector(claims={'hardware': 2}), policy_id='default')"
