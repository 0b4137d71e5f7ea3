"""That no configuration file of the field is in no table: each is held against one of our programs, or named here."""

from __future__ import annotations

from typing import Final

from tests.conformance import test_as_configs, test_guest_configs, test_kbs_configs
from tests.conformance.vectors import manifest

HUB: Final = ("hub/cdh.toml", "hub/example.config.json", "hub/example.config.toml")
"""Each has a test of its own in `test_guest_configs`."""
OF_OTHERS: Final = {
    "compose/docker-compose.yml": "the cluster itself",
    "compose/rvps.json": "has a test of its own in test_as_configs",
    "hub/ocicrypt_config.json": "of the part of the hub that pulls images",
    "image/policy.json": "of the part of the hub that pulls images",
    "image/registry-configuration.toml": "of the part of the hub that pulls images",
}


def test_every_file_of_the_field_is_in_a_table() -> None:
    tables = [
        *test_kbs_configs.STARTS,
        *test_kbs_configs.STOPS,
        *test_as_configs.STARTS,
        *test_as_configs.STOPS,
        *(f"agent/{name}" for name in test_guest_configs.AGENT_FILES),
        *HUB,
        *OF_OTHERS,
    ]
    known = {name.removeprefix("configs/") for name in manifest() if name.startswith("configs/")}
    assert sorted(tables) == sorted(known)
