"""The examples in the documentation are taken by what they are examples for."""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING, Any, Final

import pytest
from attestack_common import config
from attestack_common.errors import ConfigError
from attestation_agent.config import AgentConfig
from attestation_service.config import StandaloneConfig
from confidential_data_hub.config import HubConfig
from key_broker_service.config import CLOSED, KbsConfig, checked
from trustee_core.policy.regorus import RegorusEngine

from tests.house.sources import ROOT

if TYPE_CHECKING:
    import msgspec

DOCS: Final = ROOT / "docs"


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)


FILES: Final = (AgentConfig, HubConfig, StandaloneConfig, KbsConfig)
LEAST: Final = {"http_server": {"insecure_http": True}, "admin": {"authorization_mode": "DenyAll"}}
"""What a `kbs` file cannot do without: an example may leave it out."""
EXAMPLES: Final = [
    pytest.param(block, id=f"{path.name}-{number}")
    for path in sorted(DOCS.rglob("*.md"))
    for number, block in enumerate(re.findall(r"^```toml\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL))
]


def refusal(document: dict[str, Any], file: type[msgspec.Struct]) -> str:
    try:
        decoded = config.decode(document, file, source="example", strict=True, closed=CLOSED)
        if isinstance(decoded, KbsConfig):
            checked(decoded, source="example")
    except ConfigError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_configuration_in_the_documents_is_taken(example: str) -> None:
    document = tomllib.loads(example)
    refusals = [refusal(document, file) for file in FILES]
    assert "" in [*refusals, refusal(LEAST | document, KbsConfig)], refusals


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_json_in_the_documents_is_json(page: str) -> None:
    for block in blocks(page, "json"):
        assert isinstance(json.loads(block), dict)


@pytest.mark.parametrize("policy", blocks("trustee.md", "rego"))
async def test_a_policy_in_the_documents_decides_as_it_says(policy: str) -> None:
    measurement = "a1f3930413247bb38cfc171579ea3c12d5fe4901f0c792f63fd75d98f1ef827c23500644e0e692e6be917f9050d3d38c"
    engine = RegorusEngine()

    async def allowed(folder: str, status: str, digest: str) -> Any:
        claims = {"ear.status": status, "ear.veraison.annotated-evidence": {"snp": {"measurement": digest}}}
        data = {"plugin": "resource", "resource-path": [folder, "key", "1"], "query": {}}
        evaluation = await engine.evaluate(
            policy,
            ["data.policy.allow"],
            input_json=json.dumps({"submods": {"cpu0": claims}}).encode(),
            data_json=json.dumps(data).encode(),
        )
        return evaluation.values["data.policy.allow"]

    await engine.check(policy, ["data.policy.allow"])
    assert await allowed("payments", "affirming", measurement) is True
    assert await allowed("payments", "warning", measurement) is False
    assert await allowed("other", "affirming", measurement) is False
    assert await allowed("payments", "affirming", "00" * 48) is False
