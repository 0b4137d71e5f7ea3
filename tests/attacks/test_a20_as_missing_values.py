"""A20: a document that lacks a value passes. No hole in reference values, claims or a policy's result may affirm."""

from __future__ import annotations

from typing import Any

import pytest
from attestation_protocol.encoding import b64url_encode
from attestation_service.errors import AttestationServiceError

from tests.unit.attestation_service.service_bench import make_bench, sample, snp

GOOD = {"launch_digest": ["abcde"], "svn": ["1"], "major_version": 1, "minimum_minor_version": 4}
VERSION_ZERO = ("minimum_minor_version", 0)  # says something: any minor version is at least that
HOLES: tuple[Any, ...] = (None, [], "", {}, [None], [""], False, 0, "abcde1", {"abcde": 1})


async def status(values: dict[str, Any]) -> str:
    bench = await make_bench()
    bench.reference_values.values = values
    appraisal = await bench.service.appraise([sample()])
    return str(appraisal.result.submodules["cpu0"].trust_vector.status)


async def test_a20_all_values_together_affirm() -> None:
    assert await status(GOOD) == "affirming"


@pytest.mark.parametrize("name", GOOD)
async def test_a20_a_missing_reference_value_does_not_affirm(name: str) -> None:
    assert await status({key: value for key, value in GOOD.items() if key != name}) != "affirming"


@pytest.mark.parametrize(
    ("name", "hole"),
    [(name, hole) for name in GOOD for hole in HOLES if hole is False or (name, hole) != VERSION_ZERO],
    ids=repr,
)
async def test_a20_a_reference_value_that_says_nothing_does_not_affirm(name: str, hole: Any) -> None:
    assert await status({**GOOD, name: hole}) != "affirming"


async def test_a20_real_evidence_without_reference_values_is_contraindicated() -> None:
    bench = await make_bench()
    appraisal = await bench.service.appraise([snp()])
    vector = appraisal.result.submodules["cpu0"].trust_vector
    assert (vector.status, vector.claims["executables"], vector.claims["hardware"]) == ("contraindicated", 33, 97)


@pytest.mark.parametrize(
    ("result", "code"),
    [
        ("{}", "AS-TRUST-CLAIMS"),
        ("[]", "AS-TRUST-CLAIMS"),
        ('""', "AS-TRUST-CLAIMS"),
        ("null", "AS-TRUST-CLAIMS"),
        ('{"hardware": null}', "AS-TRUST-CLAIMS"),
        ('{"hardware": "2"}', "AS-TRUST-CLAIMS"),
        ('{"hardware": 258}', "AS-TRUST-CLAIMS"),
        ('{"hardware": query_reference_value("nosuch")}', "AS-TRUST-CLAIMS"),
        ('{"hardware": 2} if query_reference_value("nosuch") == null', "AS-TRUST-CLAIMS"),
        ('{"hardware": 2} if query_reference_value("nosuch") >= 0', "AS-TRUST-CLAIMS"),
        ('{"hardware": 2} if input.nosuch == null', "AS-TRUST-CLAIMS"),
    ],
)
async def test_a20_a_policy_that_says_nothing_issues_no_token(result: str, code: str) -> None:
    bench = await make_bench()
    await bench.service.set_policy("x_cpu", b64url_encode(f"package policy\ntrust_claims := {result}".encode()))
    with pytest.raises(AttestationServiceError) as caught:
        await bench.service.evaluate([sample()], ["x"])
    assert caught.value.code == code


async def test_a20_a_policy_without_the_rule_affirms_nothing() -> None:
    bench = await make_bench()
    await bench.service.set_policy("x_cpu", b64url_encode(b"package policy\nhardware := 2"))
    appraisal = await bench.service.appraise([sample()], ["x"])
    assert appraisal.result.submodules["cpu0"].trust_vector.status == "none"


async def test_a20_evidence_of_a_class_without_a_policy_is_refused() -> None:
    bench = await make_bench()
    await bench.service.set_policy("mine_gpu", b64url_encode(b'package policy\ntrust_claims := {"hardware": 2}'))
    with pytest.raises(AttestationServiceError) as caught:
        await bench.service.evaluate([sample()], ["mine"])
    assert caught.value.code == "POLICY-MISSING"
