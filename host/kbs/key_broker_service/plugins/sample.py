"""The plugin `sample`: answers every administrator with the same line. It shows what a plugin is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attestack_common.errors import ConfigError

from key_broker_service.plugins.contract import Plugin, PluginRequest, PluginServices, PluginType

if TYPE_CHECKING:
    from collections.abc import Mapping

_ANSWER: Final = b"sample plugin response"


class SamplePlugin:
    """The open plugin."""

    def needs_admin(self, request: PluginRequest) -> bool:
        """Every call is for administrators."""
        del request
        return True

    def needs_encryption(self, request: PluginRequest) -> bool:
        """Nothing is secret."""
        del request
        return False

    async def handle(self, request: PluginRequest) -> bytes:
        """Answer."""
        del request
        return _ANSWER


async def _open(table: Mapping[str, Any], services: PluginServices) -> Plugin:
    del services
    if not isinstance(table.get("item"), str):
        raise ConfigError("plugins.sample.item: a text is missing", advice='write item = "anything": it is not used')
    return SamplePlugin()


PLUGIN: Final = PluginType("sample", ("sample", "Sample"), _open)
