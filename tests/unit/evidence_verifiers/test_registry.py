"""Verifiers by TEE: found by entry point, loaded when asked for, refused when they are not there or not theirs."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING

import pytest
from attestation_protocol.tee import Tee
from evidence_verifiers import registry, sample, sample_device, snp
from evidence_verifiers.errors import NoVerifierError, VerifierError
from evidence_verifiers.registry import available, verifier_for

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    verifier_for.cache_clear()
    yield
    verifier_for.cache_clear()


def install(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setattr(registry, "_installed", lambda: {"tdx": EntryPoint("tdx", value, registry.GROUP)})


def test_the_verifiers_of_this_project_are_installed() -> None:
    assert {"sample", "sampledevice", "snp"} <= set(available())
    assert verifier_for(Tee.SAMPLE) is sample.VERIFIER
    assert verifier_for(Tee.SAMPLE_DEVICE) is sample_device.VERIFIER
    assert verifier_for(Tee.SNP) is snp.VERIFIER


def test_a_verifier_names_its_class_and_the_table_of_its_floors() -> None:
    assert [(v.tee_class, v.config_key) for v in (sample.VERIFIER, sample_device.VERIFIER, snp.VERIFIER)] == [
        ("cpu", ""),
        ("gpu", ""),
        ("cpu", "snp_verifier"),
    ]


def test_a_tee_without_a_verifier_is_refused_and_the_others_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "evidence_verifiers.sample:VERIFIER")
    with pytest.raises(NoVerifierError) as refused:
        verifier_for(Tee.HYGON_DCU)
    assert refused.value.code == "VERIFIER-NONE"
    assert refused.value.advice == "there are verifiers for tdx"


@pytest.mark.parametrize("value", ["no_such_package:VERIFIER", "evidence_verifiers.sample:NO_SUCH_NAME"])
def test_a_verifier_that_does_not_load_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    install(monkeypatch, value)
    with pytest.raises(VerifierError) as refused:
        verifier_for(Tee.TDX)
    assert refused.value.code == "VERIFIER"
    assert refused.value.advice.startswith("install what ")


@pytest.mark.parametrize("value", ["evidence_verifiers.sample:VERIFIER", "evidence_verifiers.sample:CHECKS"])
def test_a13_the_verifier_of_another_tee_is_not_taken(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    install(monkeypatch, value)
    with pytest.raises(VerifierError, match=r"is not the verifier for tdx \[VERIFIER\]$"):
        verifier_for(Tee.TDX)
