"""A20: SNP evidence that leaves something out proves less, not more."""

from __future__ import annotations

import pytest

from tests.unit.evidence_verifiers.snp_support import machine, refusals


@pytest.mark.parametrize("chain", [None, []])
def test_a20_snp_evidence_without_certificates_is_refused(chain: list[object] | None) -> None:
    evidence = machine().evidence()
    evidence["cert_chain"] = chain
    assert refusals(evidence) == (["SNP-SIGNER"] if chain is None else ["SNP-CHAIN"])


def test_a20_snp_evidence_with_authorities_and_no_key_is_refused() -> None:
    authorities = machine().authorities
    chain = {"ARK": authorities.ark.certificate, "ASK": authorities.ask.certificate}
    assert refusals(machine().evidence(certificates=chain)) == ["SNP-CHAIN"]


@pytest.mark.parametrize("member", ["launch_mit_vector", "current_mit_vector"])
@pytest.mark.parametrize("value", [None, ...])
def test_a20_snp_members_that_may_be_absent_are_signed_all_the_same(member: str, value: object) -> None:
    evidence = machine().evidence()
    evidence["attestation_report"][member] = value
    if value is ...:
        del evidence["attestation_report"][member]
    assert refusals(evidence) == ["SNP-SIGNATURE"]


@pytest.mark.parametrize(("member", "code"), [("cpuid_fam_id", "SNP-CPU"), ("cpuid_mod_id", "SNP-SIGNATURE")])
def test_a20_snp_a_report_without_its_cpu_is_refused(member: str, code: str) -> None:
    evidence = machine().evidence()
    evidence["attestation_report"][member] = None
    assert refusals(evidence)[-1] == code


@pytest.mark.parametrize(
    "member", ["measurement", "host_data", "report_data", "policy", "vmpl", "signature", "key_info"]
)
def test_a20_snp_a_report_without_a_member_is_refused(member: str) -> None:
    values: tuple[object, ...] = (None, "", [], {}, ...)
    for value in values:
        evidence = machine().evidence()
        evidence["attestation_report"][member] = value
        if value is ...:
            del evidence["attestation_report"][member]
        assert refusals(evidence) == ["SNP-FIELD"]
