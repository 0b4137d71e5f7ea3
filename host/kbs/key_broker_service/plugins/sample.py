"""The plugin `sample`: answers every administrator with the same line. It shows what a plugin is made of."""

from __future__ import annotations

from typing import Final

import msgspec

from key_broker_service.plugins.contract import Plugin, PluginRequest, PluginServices, PluginType

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


class SampleSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The plugin's table."""

    name: str
    item: str
    """Any text; it is not used."""


async def _open(settings: SampleSettings, services: PluginServices) -> Plugin:
    del settings, services
    return SamplePlugin()


PLUGIN: Final = PluginType("sample", ("sample", "Sample"), SampleSettings, _open)
