"""A11: sample evidence reaches production. A token over it says so, and affirms nothing that nobody set."""

from __future__ import annotations

import pytest
from attestation_protocol.tee import Tee
from attestation_service.errors import AttestationServiceError

from tests.unit.attestation_service.service_bench import make_bench, sample, snp


async def test_a11_without_reference_values_sample_evidence_is_contraindicated() -> None:
    bench = await make_bench()
    appraisal = await bench.service.appraise([sample(), sample(tee=Tee.SAMPLE_DEVICE)])
    for submodule in appraisal.result.submodules.values():
        assert submodule.trust_vector.status == "contraindicated"


async def test_a11_a_token_names_sample_evidence_even_where_it_is_affirmed() -> None:
    bench = await make_bench()
    bench.reference_values.values = {"launch_digest": ["abcde"], "svn": ["1"]}
    bench.reference_values.values |= {"major_version": 1, "minimum_minor_version": 4}
    appraisal = await bench.service.appraise([sample()])
    submodule = appraisal.result.submodules["cpu0"]
    assert submodule.trust_vector.status == "affirming"
    assert "sample" in submodule.annotated_evidence


async def test_a11_real_evidence_beside_it_does_not_hide_sample_evidence() -> None:
    bench = await make_bench()
    appraisal = await bench.service.appraise([snp(), sample()])
    assert [set(each.annotated_evidence) & {"snp", "sample"} for each in appraisal.result.submodules.values()] == [
        {"snp"},
        {"sample"},
    ]


@pytest.mark.parametrize("tee", [Tee.SAMPLE, Tee.SAMPLE_DEVICE])
async def test_a11_sample_evidence_under_a_real_name_is_refused(tee: Tee) -> None:
    bench = await make_bench()
    with pytest.raises(AttestationServiceError) as caught:
        await bench.service.evaluate([snp(sample(tee=tee).evidence)])
    assert caught.value.code == "SNP-FIELD"
