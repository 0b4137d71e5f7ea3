"""A29: an invalid policy is stored and later fails open. An upload that does not evaluate replaces nothing."""

from __future__ import annotations

import base64

import pytest
from attestation_service.attestation_policies import NAMESPACE, AttestationPolicies
from attestation_service.errors import AttestationServiceError
from trustee_core.policy.regorus import RegorusEngine

from tests.unit.attestation_service.service_bench import Bench, make_bench, sample

GOOD = b'package policy\ntrust_claims := {"hardware": 97}'


def encoded(text: bytes) -> str:
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


async def hardware(bench: Bench) -> int:
    appraisal = await bench.service.appraise([sample()], ["mine"])
    value: int = appraisal.result.submodules["cpu0"].trust_vector.claims["hardware"]
    return value


async def refused(bench: Bench, policy: str, policy_id: str = "mine_cpu") -> str:
    with pytest.raises(AttestationServiceError) as caught:
        await bench.service.set_policy(policy_id, policy)
    return caught.value.code


@pytest.mark.parametrize(
    ("policy", "code"),
    [
        (encoded(b""), "POLICY-PARSE"),
        (encoded(b"package policy\nx = {"), "POLICY-PARSE"),
        (encoded(b"package policy\ntrust_claims := nosuch(1)"), "POLICY-FUNCTION"),
        (encoded(b'package policy\ntrust_claims := {"hardware": 2} if { http.send({}) }'), "POLICY-BUILTIN"),
        (encoded(b"package policy\nquery_reference_value(x) := 1"), "POLICY-REFUSED"),
        (encoded(b"\xff\xfe"), "POLICY-ENCODING"),
        ("!!!", "POLICY-ENCODING"),
        (base64.b64encode(b"package policy#").decode() + "=", "POLICY-ENCODING"),
    ],
)
async def test_a29_an_upload_that_is_refused_leaves_the_old_policy(policy: str, code: str) -> None:
    bench = await make_bench()
    await bench.service.set_policy("mine_cpu", encoded(GOOD))
    assert await refused(bench, policy) == code
    assert await hardware(bench) == 97


async def test_a29_a_policy_that_fails_on_real_input_issues_no_token() -> None:
    bench = await make_bench()
    text = b'package policy\ntrust_claims := {"hardware": 2}\ntrust_claims := {"hardware": 3} if input.sample'
    await bench.service.set_policy("mine_cpu", encoded(text))
    with pytest.raises(AttestationServiceError) as caught:
        await bench.service.evaluate([sample()], ["mine"])
    assert caught.value.code == "POLICY-EVALUATION"


@pytest.mark.parametrize("stored", [b"", b"package policy\nx = {", b"\xff", b"package other\ntrust_claims := {}"])
async def test_a29_what_was_put_into_the_store_by_other_means_affirms_nothing(stored: bytes) -> None:
    bench = await make_bench()
    await bench.storage.namespace(NAMESPACE).put("mine_cpu.rego", stored)
    try:
        appraisal = await bench.service.appraise([sample()], ["mine"])
    except AttestationServiceError as error:
        assert error.code in {"POLICY-PARSE", "POLICY-ENCODING"}  # noqa: PT017  # either refusal is right
    else:
        assert appraisal.result.submodules["cpu0"].trust_vector.status == "none"


async def test_a29_a_start_never_replaces_a_policy_of_the_operator() -> None:
    bench = await make_bench()
    await bench.service.set_policy("default_cpu", encoded(GOOD))
    await AttestationPolicies.open(bench.storage, RegorusEngine())
    assert await bench.storage.namespace(NAMESPACE).get("default_cpu.rego") == GOOD


@pytest.mark.parametrize("policy_id", ["", ".", "..", "../x", "a/b", "/etc/x", "a\0b", "a%2fb", "ä", "a" * 300])
async def test_a30_a_policy_id_cannot_leave_its_namespace(policy_id: str) -> None:
    bench = await make_bench()
    assert await refused(bench, encoded(GOOD), policy_id) == "POLICY-ID"


@pytest.mark.parametrize("policy_id", ["../x", "a/b", "a\0b", "ä", "a" * 300])
async def test_a30_no_request_reads_beyond_the_policies(policy_id: str) -> None:
    bench = await make_bench()
    with pytest.raises(AttestationServiceError) as caught:
        await bench.service.evaluate([sample()], [policy_id])
    assert caught.value.code == "POLICY-ID"
