"""The plugin `resource`: secrets under `repository/type/tag`, kept in the broker's own storage.

    GET      attested    the bytes, as a JWE
    POST     admin       create or overwrite; any bytes, none too
    DELETE   admin       delete; a resource that does not exist is an error
    others   attested    refused

The path is looked at when the caller has passed: whoever may not read learns nothing of what exists. Values lie in the
namespace `repository` under `repository/type/tag`, as upstream lays them out.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec
from attestack_common.errors import ConfigError
from attestation_protocol.errors import ResourceUriError
from attestation_protocol.resource_uri import ResourcePath

from key_broker_service.plugins.contract import Plugin, PluginError, PluginRequest, PluginServices, PluginType

if TYPE_CHECKING:
    from trustee_core.storage.contract import KeyValueStore

    from key_broker_service.metrics import Metrics

NAMESPACE: Final = "repository"

_ADMIN_METHODS: Final = frozenset({"POST", "DELETE"})
_LATER: Final = frozenset({"vault", "Vault", "aliyun", "Aliyun", "aws", "Aws", "gcp", "Gcp"})


class ResourcePlugin:
    """The open plugin."""

    def __init__(self, store: KeyValueStore, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics

    def needs_admin(self, request: PluginRequest) -> bool:
        """Writing is for administrators."""
        return request.method in _ADMIN_METHODS

    def needs_encryption(self, request: PluginRequest) -> bool:
        """What is read is a secret."""
        return request.method == "GET"

    async def handle(self, request: PluginRequest) -> bytes:
        """Read, write or delete one resource. Raises PluginError, StorageError."""
        try:
            path = str(ResourcePath.of(request.path))
        except ResourceUriError as error:
            raise PluginError(error.message, code=error.code, advice=error.advice) from None
        match request.method:
            case "GET":
                self._metrics.resource_reads.count(path)
                return await self._read(path)
            case "POST":
                self._metrics.resource_writes.count(path)
                await self._store.put(path, request.body)
            case "DELETE":
                self._metrics.resource_deletes.count(path)
                if not await self._store.delete(path):
                    raise _missing(path)
            case method:
                raise PluginError(f"the method {method} does nothing to a resource", code="RESOURCE-METHOD")
        return b""

    async def _read(self, path: str) -> bytes:
        value = await self._store.get(path)
        if value is None:
            raise _missing(path)
        return value


def _missing(path: str) -> PluginError:
    return PluginError(
        f"the resource {path} does not exist", code="RESOURCE-MISSING", advice="the operator has to set it first"
    )


class Storage(enum.StrEnum):
    """Where resources are kept."""

    KVSTORAGE = "kvstorage"

    __aliases__: ClassVar = {"KvStorage": "kvstorage"}


class ResourceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The plugin's table."""

    name: str
    storage_backend_type: Storage

    @staticmethod
    def __before_decode__(table: dict[str, Any]) -> dict[str, Any]:
        """Refuse the backends of later versions before their keys are warned of. Raises ConfigError."""
        kind = table.get("storage_backend_type")
        if kind in _LATER:
            raise ConfigError(
                f"storage_backend_type: {kind} is not offered by this version",
                code="CONFIG-UNSUPPORTED",
                advice='keep resources in the storage of the broker: storage_backend_type = "kvstorage"',
            )
        return table


async def _open(settings: ResourceSettings, services: PluginServices) -> Plugin:
    del settings
    return ResourcePlugin(services.storage.namespace(NAMESPACE), services.metrics)


PLUGIN: Final = PluginType("resource", ("resource", "ResourceStorage"), ResourceSettings, _open)
