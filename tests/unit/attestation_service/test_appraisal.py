"""Appraisal: the policy's input as upstream lays it out, and a result of any kind that is taken or refused by code."""

from __future__ import annotations

import json
from typing import Any

import pytest
from attestation_protocol.ear import TRUST_CLAIMS
from attestation_protocol.tee import Tee
from attestation_service import appraisal
from attestation_service.binding import Binding
from attestation_service.errors import AppraisalError
from evidence_verifiers.contract import Expected
from hypothesis import given
from hypothesis import strategies as st
from trustee_core.policy.contract import UNDEFINED, Evaluation

UNBOUND = Binding(Expected())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def evaluated(trust_claims: Any = UNDEFINED, extensions: Any = UNDEFINED, absent: tuple[str, ...] = ()) -> Evaluation:
    values = {appraisal.TRUST_CLAIMS_RULE: trust_claims, appraisal.EXTENSIONS_RULE: extensions}
    return Evaluation(values, frozenset(absent), "00" * 48)


def refusal(trust_claims: Any) -> AppraisalError:
    with pytest.raises(AppraisalError) as caught:
        appraisal.appraise(evaluated(trust_claims, absent=(appraisal.EXTENSIONS_RULE,)), "default", {})
    return caught.value


def test_init_data_and_report_data_move_up_with_the_claims_that_they_prove() -> None:
    binding = Binding(Expected(), {"nonce": "n"}, {"a": "b"})
    claims = {"init_data": "00", "measurement": "11", "report_data": "22"}
    assert appraisal.policy_input(Tee.SNP, claims, binding) == {
        "init_data": "00",
        "init_data_claims": {"a": "b"},
        "report_data": "22",
        "runtime_data_claims": {"nonce": "n"},
        "snp": {"measurement": "11"},
    }


def test_claims_that_the_verifier_did_not_prove_stay_out() -> None:
    binding = Binding(Expected(), {"nonce": "n"}, {"a": "b"})
    assert appraisal.policy_input(Tee.SAMPLE, {"svn": "1"}, binding) == {"sample": {"svn": "1"}}


def test_the_verifiers_claims_are_not_altered() -> None:
    claims = {"init_data": "00", "svn": "1"}
    appraisal.policy_input(Tee.SAMPLE, claims, UNBOUND)
    assert claims == {"init_data": "00", "svn": "1"}


@pytest.mark.parametrize("name", ["init_data", "report_data"])
def test_a_binding_claim_that_is_no_string_is_refused(name: str) -> None:
    with pytest.raises(AppraisalError) as caught:
        appraisal.policy_input(Tee.SNP, {name: 1}, UNBOUND)
    assert caught.value.code == "AS-CLAIMS"


def test_a_token_that_is_not_verbose_leaves_additional_evidence_out() -> None:
    runtime = {"additional-evidence": "{}", "nonce": "n"}
    laid_out = appraisal.policy_input(Tee.SAMPLE, {"report_data": "x"}, Binding(Expected(), runtime), verbose=False)
    assert laid_out["runtime_data_claims"] == {"nonce": "n"}
    assert runtime == {"additional-evidence": "{}", "nonce": "n"}


def test_a_token_that_is_not_verbose_takes_runtime_data_of_any_kind() -> None:
    laid_out = appraisal.policy_input(Tee.SAMPLE, {"report_data": "x"}, Binding(Expected(), [1]), verbose=False)
    assert laid_out["runtime_data_claims"] == [1]


def test_a_submodule_has_the_vector_and_the_policy_as_the_caller_named_it() -> None:
    extensions = [{"name": "x", "key": -18, "value": {"b": 1}}, {"name": "gone", "key": 5, "value": None}]
    submodule = appraisal.appraise(evaluated({"hardware": 2, "executables": 33}, extensions), "mine", {"sample": {}})
    assert json.loads(submodule.to_json()) == {
        "ear.status": "warning",
        "ear.trustworthiness-vector": {"executables": 33, "hardware": 2},
        "ear.appraisal-policy-id": "mine",
        "ear.veraison.annotated-evidence": {"sample": {}},
        "x": {"b": 1},
    }


def test_a_policy_without_trust_claims_affirms_nothing() -> None:
    submodule = appraisal.appraise(evaluated(absent=appraisal.RULES), "default", {})
    assert submodule.trust_vector.to_json() == dict.fromkeys(TRUST_CLAIMS, 0)
    assert submodule.trust_vector.status == "none"
    assert submodule.extensions == {}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (UNDEFINED, "Trust claims is not an object"),
        ([], "Trust claims is not an object"),
        ("affirming", "Trust claims is not an object"),
        (2, "Trust claims is not an object"),
        ({}, "At least one policy claim must be set."),
        ({"hardware": "2"}, "Trust claim value not number"),
        ({"hardware": 2.0}, "Trust claim value not number"),
        ({"hardware": True}, "Trust claim value not number"),
        ({"hardware": None}, "Trust claim value not number"),
        ({"hardware": 258}, "Trust claim value not number"),
        ({"hardware": -129}, "Trust claim value not number"),
        ({"file_system": 2}, "'file_system' is not a claim of a trustworthiness vector"),
    ],
)
def test_trust_claims_that_say_nothing_or_too_much_are_refused(value: Any, text: str) -> None:
    error = refusal(value)
    assert error.code == "AS-TRUST-CLAIMS"
    assert error.layers == (text,)
    assert error.advice


@pytest.mark.parametrize(
    "value",
    [
        UNDEFINED,
        {},
        None,
        ["x"],
        [{}],
        [{"name": "x", "key": 1}],
        [{"name": 1, "key": 1, "value": 1}],
        [{"name": "x", "key": "1", "value": 1}],
        [{"name": "x", "key": True, "value": 1}],
        [{"name": "x", "key": 2**31, "value": 1}],
        [{"name": "x", "key": 1, "value": 1}, {"name": "x", "key": 2, "value": 1}],
        [{"name": "x", "key": 1, "value": 1}, {"name": "y", "key": 1, "value": 1}],
        [{"name": "ear.status", "key": 1, "value": "affirming"}],
        [{"name": "x", "key": 1, "value": [{"deep": 2**63}]}],
    ],
)
def test_extensions_that_a_token_cannot_carry_are_refused(value: Any) -> None:
    with pytest.raises(AppraisalError) as caught:
        appraisal.appraise(evaluated({"hardware": 2}, value), "default", {})
    assert caught.value.code == "AS-EXTENSIONS"


@given(JSON, JSON)
def test_whatever_a_policy_says_becomes_a_submodule_or_the_one_error(trust_claims: Any, extensions: Any) -> None:
    try:
        submodule = appraisal.appraise(evaluated(trust_claims, extensions), "default", {})
    except AppraisalError:
        return
    assert set(submodule.trust_vector.claims) <= set(TRUST_CLAIMS)
    assert all(-128 <= value <= 127 for value in submodule.trust_vector.claims.values())
