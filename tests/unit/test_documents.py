"""The examples in the documentation are taken by what they are examples for."""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING, Any, Final

import pytest
from attestack_common import config
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


FILES: Final[dict[str, list[type[msgspec.Struct]]]] = {
    "guest.md": [AgentConfig, HubConfig],
    "storage.md": [StandaloneConfig],
    "trustee.md": [KbsConfig],
}
"""Page to the programs' configurations that its TOML blocks are examples of, in order."""


@pytest.mark.parametrize(("page", "number"), [(page, n) for page, files in FILES.items() for n in range(len(files))])
def test_a_configuration_in_the_documents_is_taken(page: str, number: int) -> None:
    document = tomllib.loads(blocks(page, "toml")[number])
    decoded = config.decode(document, FILES[page][number], source=page, strict=True, closed=CLOSED)
    if isinstance(decoded, KbsConfig):
        assert checked(decoded, source=page) is decoded


def test_every_configuration_in_the_documents_is_tried() -> None:
    found = {path.name: len(blocks(path.name, "toml")) for path in DOCS.glob("*.md")}
    assert {page: count for page, count in found.items() if count} == {
        page: len(files) for page, files in FILES.items()
    }


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
