"""Configuration files of the field for the agent and the hub, by real processes; and that no file is in no table.

What the Rust programs do with each is in the README of the vectors. Sockets of the files that lie in `/run` are put
into the test's folder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.conformance import test_as_configs, test_kbs_configs
from tests.conformance.vectors import manifest, vector
from tests.integration.processes import Program, Unix, run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.vectors

AGENT: Final = (
    "agent/config.example.json",
    "agent/config.example.toml",
    "agent/config1.toml",
    "agent/config2.toml",
    "agent/config3.toml",
    "agent/config4.toml",
    "agent/config5.toml",
    "agent/config6.toml",
)
HUB_STOPS: Final = {
    "hub/example.config.json": (
        "HUB-AGENT",
        "credentials: kbs:///default/aliyun/ecs_ram_role: the agent does not answer",
    ),
    "hub/example.config.toml": (
        "HUB-AGENT",
        "credentials: kbs:///default/aliyun/ecs_ram_role: the agent does not answer",
    ),
}
HUB: Final = ("hub/cdh.toml", *HUB_STOPS)
OF_OTHERS: Final = {
    "compose/docker-compose.yml": "the cluster itself",
    "compose/rvps.json": "taken by a test of its own in test_as_configs",
    "hub/ocicrypt_config.json": "of the part of the hub that pulls images",
    "image/policy.json": "of the part of the hub that pulls images",
    "image/registry-configuration.toml": "of the part of the hub that pulls images",
}
RUN: Final = "unix:///run/confidential-containers/"


@pytest.mark.parametrize("name", AGENT)
def test_the_agent_starts_on_each_of_its_files(name: str, tmp_path: Path) -> None:
    socket = tmp_path / "agent.sock"
    flags = ("--strict-config", "-c", vector(f"configs/{name}"), "-a", f"unix://{socket}")
    with Program("attestation-agent", *flags, ready=Unix(socket)) as agent:
        assert agent.stop() == 0


def moved(name: str, folder: Path) -> Path:
    """The file with its sockets in a folder."""
    text = vector(f"configs/{name}").read_text()
    assert RUN in text
    path = folder / name.rpartition("/")[2]
    path.write_text(text.replace(RUN, f"unix://{folder}/"))
    return path


@pytest.mark.parametrize("name", HUB_STOPS)
def test_the_hub_stops_where_the_file_wants_credentials_and_no_agent_is_there(name: str, tmp_path: Path) -> None:
    code, text = HUB_STOPS[name]
    done = run("confidential-data-hub", "-c", moved(name, tmp_path))
    assert (done.status, text in done.stderr, f"[{code}]" in done.stderr) == (1, True, True), done.stderr


def test_every_file_of_the_field_is_in_a_table() -> None:
    tables = [
        *test_kbs_configs.STARTS,
        *test_kbs_configs.STOPS,
        *test_as_configs.STARTS,
        *test_as_configs.STOPS,
        *AGENT,
        *HUB,
        *OF_OTHERS,
    ]
    known = {name.removeprefix("configs/") for name in manifest() if name.startswith("configs/")}
    assert sorted(tables) == sorted(known)
