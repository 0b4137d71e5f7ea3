"""Sample evidence: two members, and nothing that is not them."""

from __future__ import annotations

from typing import Any

import pytest
from attestation_protocol.errors import EvidenceFormatError
from attestation_protocol.evidence.sample import MAX_SVN, SampleEvidence
from hypothesis import given
from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["svn", "report_data", "x"]), inner),
    max_leaves=8,
)


def test_evidence_of_a_stock_guest_is_read() -> None:
    evidence = SampleEvidence.parse({"svn": "1", "report_data": "cmF3IGJ5dGVz"})
    assert evidence == SampleEvidence("1", b"raw bytes")
    assert evidence.to_json() == {"svn": "1", "report_data": "cmF3IGJ5dGVz"}


def test_report_data_may_be_absent_and_other_members_are_ignored() -> None:
    assert SampleEvidence.parse({"svn": "2", "more": []}) == SampleEvidence("2", b"")


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "svn",
        {},
        {"svn": 1},
        {"svn": None, "report_data": ""},
        {"svn": "1" * (MAX_SVN + 1)},
        {"svn": "1", "report_data": None},
        {"svn": "1", "report_data": [1]},
        {"svn": "1", "report_data": "YQ"},
        {"svn": "1", "report_data": "YR=="},
        {"svn": "1", "report_data": "_-8="},
    ],
)
def test_what_is_not_sample_evidence_is_refused(value: Any) -> None:
    with pytest.raises(EvidenceFormatError) as refused:
        SampleEvidence.parse(value)
    assert refused.value.code == "SAMPLE-FIELD"


@given(JSON)
def test_a24_any_json_is_sample_evidence_or_the_one_error(value: Any) -> None:
    try:
        evidence = SampleEvidence.parse(value)
    except EvidenceFormatError:
        return
    assert SampleEvidence.parse(evidence.to_json()) == evidence


@given(st.text(max_size=MAX_SVN), st.binary(max_size=100))
def test_evidence_survives_its_json(svn: str, report_data: bytes) -> None:
    evidence = SampleEvidence(svn, report_data)
    assert SampleEvidence.parse(evidence.to_json()) == evidence
