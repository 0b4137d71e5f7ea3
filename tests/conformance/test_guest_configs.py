"""Configuration files of the field for agent and hub: what the Rust programs do with each is in the vectors' README."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import pytest
from attestack_common.errors import AttestackError
from attestation_agent.agent import Agent, load_config
from confidential_data_hub import hub
from confidential_data_hub.config import AgentConfig
from confidential_data_hub.kbc.offline_fs import OfflineFsKbc

from tests.conformance.vectors import vector
from tests.integration.processes import Program, Unix

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.vectors

AGENT_FILES: Final = ("config.example.json", "config.example.toml", *(f"config{number}.toml" for number in range(1, 7)))
WITH_KBS: Final = {f"config{which}" for which in (".example.json", ".example.toml", "1.toml", "2.toml", "3.toml")}


@pytest.mark.parametrize("name", AGENT_FILES)
def test_an_agents_file_of_the_field_starts(name: str, tmp_path: Path) -> None:
    path, socket = vector(f"configs/agent/{name}"), tmp_path / "aa.sock"
    with Program("attestation-agent", "-a", f"unix://{socket}", "-c", path, ready=Unix(socket)) as program:
        assert "the key" not in program.log
    assert not socket.exists()


@pytest.mark.parametrize("name", AGENT_FILES)
async def test_its_tables_are_taken(name: str) -> None:
    config = load_config(vector(f"configs/agent/{name}"), strict=True)
    assert (config.token_configs.kbs is not None) == (name in WITH_KBS)
    agent = await Agent.assemble(config)
    assert (agent.kbs_tokens is not None, agent.coco_as_tokens is not None) == (
        config.token_configs.kbs is not None,
        config.token_configs.coco_as is not None,
    )
    await agent.close()


async def test_the_hubs_file_on_files_starts() -> None:
    config = hub.load_config(vector("configs/hub/cdh.toml"), strict=True)
    running = await hub.Hub.assemble(config)
    assert isinstance(running.broker, OfflineFsKbc)
    assert config.image["max_concurrent_layer_downloads_per_image"] == 4
    await running.close()


@pytest.mark.parametrize("name", ["example.config.json", "example.config.toml"])
async def test_the_hubs_file_with_credentials_stops_where_no_agent_listens(name: str, tmp_path: Path) -> None:
    config = hub.load_config(vector(f"configs/hub/{name}"), strict=True)
    assert [entry.resource_uri for entry in config.credentials] == [
        "kbs:///default/aliyun/ecs_ram_role",
        "kbs:///default/test/file",
    ]
    nobody = msgspec.structs.replace(config, aa=AgentConfig(f"unix://{tmp_path}/aa.sock"))
    with pytest.raises(AttestackError) as caught:
        await hub.Hub.assemble(nobody)
    assert caught.value.code == "HUB-AGENT"
