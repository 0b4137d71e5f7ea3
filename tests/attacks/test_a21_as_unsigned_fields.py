"""A21: the verdict rests on fields that the attacker may edit. Claims come from signed bytes alone."""

from __future__ import annotations

from typing import Any

import pytest
from attestation_protocol.encoding import b64url_encode
from attestation_service.contract import StructuredRuntimeData
from attestation_service.errors import AttestationServiceError

from tests.unit.attestation_service.service_bench import genoa, make_bench, milan, snp

REFUSALS = {"SNP-SIGNATURE", "SNP-RESERVED", "SNP-VERSION", "SNP-FIELD", "SNP-ALGORITHM", "SNP-CPU"}


async def code(evidence: Any, **members: Any) -> str:
    bench = await make_bench()
    with pytest.raises(AttestationServiceError) as caught:
        await bench.service.evaluate([snp(evidence, **members)])
    return caught.value.code


async def test_a21_members_beside_the_report_are_no_claims() -> None:
    bench = await make_bench()
    plain = await bench.service.appraise([snp()])
    more = milan() | {"measurement": "00", "snp": {"policy_debug_allowed": False}, "init_data": "00"}
    with_more = await bench.service.appraise([snp(more)])
    seen = with_more.result.submodules["cpu0"].annotated_evidence
    assert seen == plain.result.submodules["cpu0"].annotated_evidence
    assert set(seen) == {"init_data", "init_data_claims", "report_data", "runtime_data_claims", "snp"}


async def test_a21_members_within_the_report_are_refused() -> None:
    evidence = milan()
    evidence["attestation_report"]["policy_debug_allowed"] = False
    assert await code(evidence) == "SNP-FIELD"


async def test_a21_every_field_of_the_report_is_signed() -> None:
    report = milan()["attestation_report"]
    numbers = {name: value for name, value in report.items() if isinstance(value, int)}
    assert len(numbers) >= 10
    for name, value in numbers.items():
        evidence = milan()
        evidence["attestation_report"][name] = value ^ 1
        assert await code(evidence) in REFUSALS, name


async def test_a21_a_certificate_that_the_attacker_puts_first_is_not_trusted() -> None:
    _, vcek = genoa()
    evidence = milan()
    evidence["cert_chain"] = [{"cert_type": "VCEK", "data": list(vcek)}]
    assert await code(evidence) in {"SNP-PRODUCT", "SNP-SIGNATURE", "SNP-VEK-SIGNATURE"}


async def test_a21_what_the_caller_expects_is_no_claim_unless_the_evidence_proves_it() -> None:
    runtime = StructuredRuntimeData({"tee-pubkey": {"kty": "EC"}})
    assert await code(milan(), runtime_data=runtime) == "SNP-REPORT-DATA"


async def test_a21_a_policy_sees_one_submodule_and_not_the_others() -> None:
    bench = await make_bench()
    text = b'package policy\ntrust_claims := {"hardware": 2} if count(object.keys(input) & {"snp", "sample"}) == 1'
    await bench.service.set_policy("x_cpu", b64url_encode(text))
    appraisal = await bench.service.appraise([snp(), snp()], ["x"])
    assert [each.trust_vector.claims for each in appraisal.result.submodules.values()] == [{"hardware": 2}] * 2
