"""What docs/policies.md shows works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from trustee_core.policy.regorus import RegorusEngine

from tests.unit.trustee_core.policy.evaluation import ALLOW, HEAD, decide

PAGE = (Path(__file__).parents[4] / "docs" / "policies.md").read_text()
TRUST_CLAIMS = "data.policy.trust_claims"
RESOURCE, ATTESTATION = re.findall(r"```rego\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("text", [RESOURCE, ATTESTATION])
async def test_the_policies_of_the_page_pass_an_upload(text: str) -> None:
    await RegorusEngine().check(text, [ALLOW, TRUST_CLAIMS])


def test_the_resource_policy_of_the_page_decides_as_it_says() -> None:
    agent = {"token_configs": {"kbs": {"url": "https://kbs.example"}}}
    evidence = {"init_data_claims": {"aa.toml": agent}}
    cpu = {"ear.status": "affirming", "ear.veraison.annotated-evidence": evidence}
    data = {"plugin": "resource", "resource-path": ["team", "key", "1"]}
    assert decide(RESOURCE, claims={"submods": {"cpu0": cpu}}, data=data) is True
    assert decide(RESOURCE, claims={"submods": {"cpu0": cpu}}, data=data | {"resource-path": ["other"]}) is False
    assert decide(RESOURCE, claims={"submods": {"cpu0": cpu | {"ear.status": "warning"}}}, data=data) is False


def test_the_attestation_policy_of_the_page_keeps_its_default_without_a_value() -> None:
    claims = {"snp": {"measurement": "aa", "reported_tcb_snp": 8}}
    assert decide(ATTESTATION, TRUST_CLAIMS, claims=claims) == {"executables": 33, "hardware": 97}
    values = {"snp_launch_measurement": ["aa"], "minimum_snp_svn": 8}
    assert decide(ATTESTATION, TRUST_CLAIMS, claims=claims, values=values) == {"executables": 3, "hardware": 2}


def test_the_fallback_of_the_page_works() -> None:
    assert 'default floor := 7` and `floor := query_reference_value("n")' in PAGE
    text = HEAD + 'default floor := 7\nfloor := query_reference_value("n")\nallow := floor'
    assert (decide(text), decide(text, values={"n": 9})) == (7, 9)
