"""The service: real and sample evidence through verification, policy and token; and every refusal by its code."""

from __future__ import annotations

from typing import Any

import jwt
import pytest
from attestack_common.errors import AttestackError
from attestation_protocol.encoding import b64std_encode, b64url_encode
from attestation_protocol.tee import Tee
from attestation_service.config import TokenBrokerConfig
from attestation_service.contract import RawRuntimeData, StructuredRuntimeData
from attestation_service.errors import (
    AppraisalError,
    AttestationPolicyError,
    AttestationServiceError,
    EvidenceRefusedError,
    NoPolicyError,
    ReferenceValueError,
    RequestError,
)
from attestation_service.service import MAX_EVIDENCE

from tests.unit.attestation_service.service_bench import NOW, Bench, make_bench, milan, sample, snp

RUNTIME = {"nonce": "bm9uY2U=", "tee-pubkey": {"kty": "EC"}}


def claims(bench: Bench, token: str) -> dict[str, Any]:
    decoded: dict[str, Any] = jwt.decode(
        token, jwt.PyJWK(bench.service.signing_jwk).key, algorithms=["ES256"], options={"verify_exp": False}
    )
    return decoded


async def refused(bench: Bench, *requests: Any, policy_ids: tuple[str, ...] = ()) -> AttestationServiceError:
    with pytest.raises(AttestationServiceError) as caught:
        await bench.service.evaluate(requests, policy_ids)
    assert len(bench.records) == 1
    assert bench.records[0].code == caught.value.code
    assert not bench.records[0].issued
    return caught.value


async def test_the_evidence_of_the_quick_start_is_appraised(bench: Bench) -> None:
    decoded = claims(bench, await bench.service.evaluate([snp()]))
    submodule = decoded["submods"]["cpu0"]
    assert list(decoded["submods"]) == ["cpu0"]
    assert submodule["ear.status"] == "contraindicated"
    assert submodule["ear.trustworthiness-vector"]["hardware"] == 97
    assert submodule["ear.veraison.annotated-evidence"]["snp"]["measurement"].startswith("a1f3930413247bb3")
    assert decoded["iat"] == int(NOW.timestamp())
    assert decoded["exp"] == int(NOW.timestamp()) + 300
    assert decoded["iss"] == "CoCo-Attestation-Service"


async def test_the_configuration_says_what_tokens_say_of_their_issuer() -> None:
    broker = TokenBrokerConfig(
        duration_min=7, issuer_name="i", developer_name="d", build_name="b", profile_name="p", verbose_token=False
    )
    bench = await make_bench(broker=broker)
    runtime = StructuredRuntimeData({"additional-evidence": "{}", "nonce": "n"})
    digest = "AKtEAzAdiOIGYBdeQLi9z8kFH+mwPJx5k8vDTo8YjOUjiMV3rPnD0Mub0VQoUU9b"
    with pytest.raises(EvidenceRefusedError) as caught:
        await bench.service.evaluate([sample(digest, runtime_data=runtime)])
    wanted = bytes.fromhex(caught.value.findings[0].wanted)
    decoded = claims(bench, await bench.service.evaluate([sample(b64std_encode(wanted), runtime_data=runtime)]))
    assert (decoded["iss"], decoded["eat_profile"]) == ("i", "p")
    assert decoded["ear.verifier-id"] == {"developer": "d", "build": "b"}
    assert decoded["exp"] - decoded["iat"] == 420
    assert decoded["submods"]["cpu0"]["ear.veraison.annotated-evidence"]["runtime_data_claims"] == {"nonce": "n"}


async def test_sample_evidence_with_its_reference_values_is_affirmed(bench: Bench) -> None:
    bench.reference_values.values = {
        "launch_digest": ["abcde"],
        "svn": ["1"],
        "major_version": 1,
        "minimum_minor_version": 4,
    }
    appraisal = await bench.service.appraise([sample()])
    assert appraisal.result.submodules["cpu0"].trust_vector.status == "affirming"
    assert list(appraisal.findings) == list(appraisal.policy_hashes) == ["cpu0"]
    assert len(appraisal.policy_hashes["cpu0"]) == 96


async def test_submodules_are_counted_per_class(bench: Bench) -> None:
    appraisal = await bench.service.appraise([sample(), sample(tee=Tee.SAMPLE_DEVICE), sample()])
    assert list(appraisal.result.submodules) == ["cpu0", "gpu0", "cpu1"]


async def test_the_record_of_an_issued_token_says_what_decided(bench: Bench) -> None:
    await bench.service.evaluate([snp(), sample()])
    (record,) = bench.records
    assert record.issued
    assert record.decided_at == NOW
    first, second = record.evidence
    assert (first.tee, first.submodule, first.policy_id) == (Tee.SNP, "cpu0", "default_cpu")
    assert first.status == "contraindicated"
    assert all(finding.passed for finding in first.findings)
    assert {"SNP-SIGNATURE", "SNP-ARK"} <= {finding.check.code for finding in first.findings}
    assert second.submodule == "cpu1"
    assert len(first.policy_hash) == 96


async def test_the_record_of_a_refusal_has_every_check(bench: Bench) -> None:
    evidence = milan()
    evidence["attestation_report"]["guest_svn"] ^= 1
    error = await refused(bench, sample(), snp(evidence))
    assert error.code == "SNP-SIGNATURE"
    sampled, refused_evidence = bench.records[0].evidence
    assert sampled.status is None
    assert [finding.check.code for finding in refused_evidence.findings if not finding.passed] == ["SNP-SIGNATURE"]


async def test_nothing_at_all_is_refused(bench: Bench) -> None:
    error = await refused(bench)
    assert isinstance(error, RequestError)
    assert (error.code, error.layers) == ("AS-NO-EVIDENCE", ("No verification requests provided.",))


async def test_too_much_is_refused(bench: Bench) -> None:
    assert (await refused(bench, *[sample()] * (MAX_EVIDENCE + 1))).code == "AS-TOO-MUCH-EVIDENCE"


async def test_a_tee_without_a_verifier_is_refused(bench: Bench) -> None:
    error = await refused(bench, sample(tee=Tee.TDX))
    assert (error.code, error.layers) == (
        "VERIFIER-NONE",
        ("feature `tdx-verifier` is not enabled for `verifier` crate.",),
    )


async def test_evidence_that_cannot_be_read_is_refused_by_its_parser(bench: Bench) -> None:
    error = await refused(bench, snp({"attestation_report": {}}))
    assert isinstance(error, EvidenceRefusedError)
    assert error.code.startswith("SNP-")
    assert error.codes == (error.code,)
    assert error.layers[0].startswith("Verifier evaluate failed: Deserialize SNP Evidence failed\n\nCaused by:\n    ")


async def test_report_data_that_differs_is_refused_in_upstreams_words(bench: Bench) -> None:
    error = await refused(bench, snp(runtime_data=RawRuntimeData(b"\x00")))
    assert isinstance(error, EvidenceRefusedError)
    assert (error.code, error.layers) == ("SNP-REPORT-DATA", ("Verifier evaluate failed: Report Data Mismatch",))
    assert "report data as expected" in error.advice


async def test_all_failed_checks_are_named_and_none_of_their_values(bench: Bench) -> None:
    error = await refused(bench, snp(runtime_data=RawRuntimeData(b"\xab\xcd"), init_data=b"\xef" * 32))
    assert isinstance(error, EvidenceRefusedError)
    assert error.codes == ("SNP-REPORT-DATA", "SNP-HOST-DATA")
    assert error.advice.endswith("; nor SNP-HOST-DATA")
    told = " ".join([str(error), error.advice, *error.layers])
    assert "abcd" not in told
    assert "efef" not in told


async def test_a_certificate_that_is_out_of_date_is_refused(bench: Bench) -> None:
    bench.pass_time(days=366 * 5)
    assert (await refused(bench, snp())).code == "SNP-DATES"


async def test_a_policy_that_does_not_exist_is_refused(bench: Bench) -> None:
    error = await refused(bench, sample(), policy_ids=("nosuch",))
    assert isinstance(error, NoPolicyError)
    assert (error.code, error.layers) == ("POLICY-MISSING", ("Policy `nosuch_cpu.rego` not found",))


async def test_the_first_policy_decides_and_the_token_names_it_as_sent(bench: Bench) -> None:
    await bench.service.set_policy("mine_cpu", b64url_encode(b'package policy\ntrust_claims := {"hardware": 2}'))
    appraisal = await bench.service.appraise([sample()], ["mine", "nosuch"])
    submodule = appraisal.result.submodules["cpu0"]
    assert submodule.policy_id == "mine"
    assert submodule.trust_vector.claims == {"hardware": 2}
    assert bench.records[0].evidence[0].policy_id == "mine_cpu"


async def test_a_policy_that_fails_refuses_the_request(bench: Bench) -> None:
    text = b'package policy\ntrust_claims := {"hardware": 2}\ntrust_claims := {"hardware": 3} if input.sample'
    await bench.service.set_policy("bad_cpu", b64url_encode(text))
    error = await refused(bench, sample(), policy_ids=("bad",))
    assert isinstance(error, AppraisalError)
    assert error.code == "POLICY-EVALUATION"
    assert error.layers[0].startswith("Failed to evaluate policy: ")


async def test_a_policy_that_says_nothing_refuses_the_request(bench: Bench) -> None:
    text = b'package policy\ntrust_claims := {"hardware": 2} if not input.sample'
    await bench.service.set_policy("mute_cpu", b64url_encode(text))
    error = await refused(bench, sample(), policy_ids=("mute",))
    assert isinstance(error, AppraisalError)
    assert (error.code, error.layers) == ("AS-TRUST-CLAIMS", ("Trust claims is not an object",))


async def test_reference_values_that_cannot_be_read_refuse_the_request(bench: Bench) -> None:
    bench.reference_values.failure = AttestackError("the store is gone", code="STORAGE-IO")
    error = await refused(bench, sample())
    assert isinstance(error, AppraisalError)
    assert error.code == "POLICY-REFERENCE-VALUES"


async def test_an_uploaded_policy_has_to_load_and_to_evaluate(bench: Bench) -> None:
    with pytest.raises(AttestationPolicyError) as caught:
        await bench.service.set_policy("x_cpu", b64url_encode(b"package policy\nx = {"))
    assert caught.value.code == "POLICY-PARSE"
    assert caught.value.layers[0].startswith("Failed to load policy: ")
    assert caught.value.layers[0].endswith(caught.value.layers[1])
    with pytest.raises(AttestationPolicyError) as caught:
        await bench.service.set_policy("x_cpu", b64url_encode(b"package policy\ntrust_claims := nosuch(1)"))
    assert caught.value.code == "POLICY-FUNCTION"
    with pytest.raises(AttestationPolicyError) as caught:
        await bench.service.set_policy("../x", b64url_encode(b"package policy"))
    assert caught.value.code == "POLICY-ID"
    assert await bench.service.policies() == ["default_cpu", "default_gpu", "default_ppcie", "default_switch"]


async def test_reference_values_pass_through(bench: Bench) -> None:
    await bench.service.register_reference_value("message")
    assert bench.reference_values.messages == ["message"]
    bench.reference_values.values = {"a": [1]}
    assert await bench.service.query_reference_value("a") == [1]
    assert await bench.service.query_reference_value("b") is None


async def test_the_errors_of_the_reference_value_provider_keep_their_code(bench: Bench) -> None:
    bench.reference_values.failure = AttestackError("no", code="RVPS-X", advice="do this")
    for call in (bench.service.register_reference_value("m"), bench.service.query_reference_value("a")):
        with pytest.raises(ReferenceValueError) as caught:
            await call
        assert (caught.value.code, caught.value.advice) == ("RVPS-X", "do this")


async def test_the_challenge_of_most_tees_is_empty(bench: Bench) -> None:
    assert await bench.service.challenge(Tee.SNP, "") == ""
    with pytest.raises(RequestError) as caught:
        await bench.service.challenge(Tee.SE, "{}")
    assert caught.value.code == "VERIFIER-NONE"


async def test_the_jwk_set_has_the_one_key(bench: Bench) -> None:
    assert bench.service.jwks() == {"keys": [bench.service.signing_jwk]}
    await bench.service.close()


async def test_an_unexpected_error_leaves_a_record_without_its_text(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> object:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(bench.signer, "sign", broken)
    with pytest.raises(ZeroDivisionError):
        await bench.service.evaluate([sample()])
    assert (bench.records[0].code, bench.records[0].reason) == ("INTERNAL", "ZeroDivisionError")
