"""Finds the plugins that `[[plugins]]` names, by entry point, and opens them. Of two tables of a kind the last wins."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final

from attestack_common import config as configuration
from attestack_common.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from key_broker_service.plugins.contract import Plugin, PluginServices, PluginType

GROUP: Final = "attestack.kbs_plugins"

_LATER: Final = frozenset(
    {"external", "ExternalPlugin", "nebula-ca", "NebulaCaPlugin", "pkcs11", "Pkcs11", "provisioner", "Provisioner"}
)


def installed_plugins() -> tuple[PluginType, ...]:
    """Return the kinds of plugin that are installed."""
    return tuple(entry.load() for entry in entry_points(group=GROUP))


async def open_plugins(
    tables: Sequence[Mapping[str, Any]],
    services: PluginServices,
    kinds: Iterable[PluginType],
    *,
    source: str,
    strict: bool = False,
) -> dict[str, Plugin]:
    """Open the plugins of the configuration; return them by route. Raises ConfigError that names file and key."""
    by_name = {name: kind for kind in kinds for name in kind.names}
    wanted: dict[str, tuple[PluginType, Any]] = {}
    for index, table in enumerate(tables):
        key = f"plugins[{index}]"
        kind = _kind(table.get("name"), by_name, f"{source}: {key}")
        try:
            settings = configuration.decode(table, kind.settings, source=source, strict=strict, prefix=key)
        except ConfigError as error:
            if error.message.startswith(source):
                raise
            raise ConfigError(f"{source}: {key}.{error.message}", code=error.code, advice=error.advice) from None
        wanted[kind.route] = (kind, settings)
    return {route: await kind.open(settings, services) for route, (kind, settings) in wanted.items()}


def _kind(name: object, by_name: Mapping[str, PluginType], where: str) -> PluginType:
    kind = by_name.get(name) if isinstance(name, str) else None
    if kind is not None:
        return kind
    offered = ", ".join(sorted(by_name))
    if name in _LATER:
        raise ConfigError(
            f"{where}.name: the plugin {name} is not offered by this version",
            code="CONFIG-UNSUPPORTED",
            advice=f"take its table out of the configuration; offered: {offered}",
        )
    raise ConfigError(f"{where}.name: {name!r:.60} is not a plugin", code="CONFIG-VALUE", advice=f"offered: {offered}")
