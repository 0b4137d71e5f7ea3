"""Finds the plugins that `[[plugins]]` names, by entry point, and opens them. Of two tables of a kind the last wins."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final

from attestack_common.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from key_broker_service.plugins.contract import Plugin, PluginServices, PluginType

GROUP: Final = "attestack.kbs_plugins"

_LATER: Final = frozenset(
    {
        "external",
        "ExternalPlugin",
        "nebula-ca",
        "NebulaCaPlugin",
        "pkcs11",
        "Pkcs11",
        "provisioner",
        "Provisioner",
    }
)


def installed_plugins() -> tuple[PluginType, ...]:
    """Return the kinds of plugin that are installed."""
    return tuple(entry.load() for entry in entry_points(group=GROUP))


async def open_plugins(
    tables: Sequence[Mapping[str, Any]], services: PluginServices, kinds: Iterable[PluginType]
) -> dict[str, Plugin]:
    """Open the plugins of the configuration; return them by route. Raises ConfigError."""
    by_name = {name: kind for kind in kinds for name in kind.names}
    wanted: dict[str, tuple[PluginType, Mapping[str, Any]]] = {}
    for number, table in enumerate(tables, 1):
        kind = _kind(table.get("name"), number, by_name)
        wanted[kind.route] = (kind, table)
    return {route: await kind.open(table, services) for route, (kind, table) in wanted.items()}


def _kind(name: object, number: int, by_name: Mapping[str, PluginType]) -> PluginType:
    kind = by_name.get(name) if isinstance(name, str) else None
    if kind is not None:
        return kind
    known = ", ".join(sorted(by_name))
    if name in _LATER:
        raise ConfigError(
            f"plugins[{number}].name: the plugin {name!r} is not offered by this version",
            code="CONFIG-UNSUPPORTED",
            advice=f"take its table out of the configuration; offered: {known}",
        )
    raise ConfigError(f"plugins[{number}].name: {name!r:.60} is not a plugin", advice=f"offered: {known}")
