"""Which tokens rest on sample evidence."""

from __future__ import annotations

from typing import Any

import pytest
from key_broker_service.sample_gate import is_sample

ANNOTATED = "ear.veraison.annotated-evidence"


def claims(**evidence: str) -> dict[str, Any]:
    return {"submods": {name: {ANNOTATED: {tee: {}}} for name, tee in evidence.items()}}


@pytest.mark.parametrize(
    "token",
    [
        claims(cpu0="sample"),
        claims(cpu0="snp", gpu0="sampledevice"),
        claims(gpu0="sampledevice", cpu0="snp"),
        claims(cpu0="snp", gpu0="nvidia", gpu1="sampledevice"),
        claims(cpu0="sampledevice"),
        {"submods": {"cpu0": {ANNOTATED: {"sample": None}}}},
        {"tee": "sample", "tcb-status": {}},
    ],
)
def test_a11_sample_evidence_is_seen_in_any_submodule(token: dict[str, Any]) -> None:
    assert is_sample(token)


@pytest.mark.parametrize(
    "token",
    [
        {},
        {"submods": {}},
        {"submods": []},
        {"submods": {"cpu0": None, "cpu1": {}, "cpu2": {ANNOTATED: "sample"}}},
        claims(cpu0="snp"),
        {"submods": {"cpu0": {ANNOTATED: {"snp": {"sample": True}, "runtime_data_claims": {"sample": {}}}}}},
        {"tee": "snp"},
    ],
)
def test_other_evidence_is_not(token: dict[str, Any]) -> None:
    assert not is_sample(token)
