"""Which `[[plugins]]` tables open, and what is said of the others."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from attestack_common.errors import ConfigError
from key_broker_service.metrics import Metrics
from key_broker_service.plugins.contract import Plugin, PluginRequest, PluginServices
from key_broker_service.plugins.registry import installed_plugins, open_plugins
from key_broker_service.plugins.resource import ResourcePlugin
from key_broker_service.plugins.sample import SamplePlugin
from trustee_core.storage.memory import MemoryBackend

RESOURCE = {"name": "resource", "storage_backend_type": "kvstorage"}


async def opened(*tables: dict[str, Any], strict: bool = False) -> dict[str, Plugin]:
    services = PluginServices(MemoryBackend(), Metrics("1.0"))
    return await open_plugins(tables, services, installed_plugins(), source="kbs.toml", strict=strict)


async def refusal(*tables: dict[str, Any], strict: bool = False) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        await opened(*tables, strict=strict)
    return caught.value


async def test_no_table_no_plugin() -> None:
    assert await opened() == {}


@pytest.mark.parametrize(
    ("table", "route", "kind"),
    [
        (RESOURCE, "resource", ResourcePlugin),
        ({"name": "ResourceStorage", "storage_backend_type": "KvStorage"}, "resource", ResourcePlugin),
        ({"name": "sample", "item": "x"}, "sample", SamplePlugin),
        ({"name": "Sample", "item": "x"}, "sample", SamplePlugin),
    ],
)
async def test_both_spellings_open(table: dict[str, Any], route: str, kind: type[object]) -> None:
    plugins = await opened(table)
    assert list(plugins) == [route]
    assert isinstance(plugins[route], kind)


async def test_of_two_tables_of_a_kind_the_last_wins() -> None:
    assert list(await opened(RESOURCE, {"name": "sample", "item": "x"}, RESOURCE)) == ["resource", "sample"]


@pytest.mark.parametrize(
    ("table", "message", "code"),
    [
        ({}, "kbs.toml: plugins[0].name: None is not a plugin", "CONFIG-VALUE"),
        ({"name": "nosuch"}, "kbs.toml: plugins[0].name: 'nosuch' is not a plugin", "CONFIG-VALUE"),
        (
            {"name": "pkcs11", "pin": "1234"},
            "kbs.toml: plugins[0].name: the plugin pkcs11 is not offered by this version",
            "CONFIG-UNSUPPORTED",
        ),
        ({"name": "sample"}, "kbs.toml: plugins[0].item: is missing", "CONFIG-VALUE"),
        ({"name": "resource"}, "kbs.toml: plugins[0].storage_backend_type: is missing", "CONFIG-VALUE"),
        (
            {"name": "resource", "storage_backend_type": "Vault", "token": "hvs"},
            "kbs.toml: plugins[0].storage_backend_type: Vault is not offered by this version",
            "CONFIG-UNSUPPORTED",
        ),
        (
            {"name": "resource", "storage_backend_type": "nosuch"},
            "kbs.toml: plugins[0].storage_backend_type: wanted one of kvstorage",
            "CONFIG-VALUE",
        ),
    ],
)
async def test_what_is_not_offered_stops_with_file_and_key(table: dict[str, Any], message: str, code: str) -> None:
    error = await refusal(table)
    assert (error.message, error.code) == (message, code)


async def test_unknown_keys_are_named_and_refused_when_strict(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        await opened({**RESOURCE, "storage_backend": "x"})
    assert "plugins[0].storage_backend" in caplog.text
    assert (await refusal({**RESOURCE, "storage_backend": "x"}, strict=True)).code == "CONFIG-UNKNOWN-KEY"


async def test_the_sample_plugin_answers_administrators() -> None:
    plugin = SamplePlugin()
    call = PluginRequest("PUT", ("any", "thing"), {}, b"")
    assert plugin.needs_admin(call)
    assert not plugin.needs_encryption(call)
    assert await plugin.handle(call) == b"sample plugin response"
