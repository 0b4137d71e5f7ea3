"""The contract of a plugin: what serves `/kbs/v0/<route>/…`.

A call goes through these steps, in this order:

    1. `needs_admin` says who may call, before anyone is authenticated
    2. an administrator, or an attestation token that is verified, not of sample evidence, and allowed by policy
    3. `handle` does the work
    4. for a token, `needs_encryption` says whether the answer is encrypted to the token's TEE key

A plugin is announced by an entry point of the group `attestack.kbs_plugins` that names a `PluginType`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from attestack_common.errors import AttestackError
from attestation_protocol.records import Record

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    import msgspec
    from trustee_core.storage.contract import StorageBackend

    from key_broker_service.metrics import Metrics


class PluginError(AttestackError):
    """A plugin refuses a call. The caller gets `Plugin internal error`, the code and the advice, not the message."""

    default_code = "PLUGIN"


class PluginRequest(Record, frozen=True):
    """One call of a plugin."""

    HIDDEN: ClassVar = frozenset({"body", "init_data"})

    method: str
    """`GET`, `POST`, `PUT` or `DELETE`."""
    path: tuple[str, ...]
    """Segments below the plugin's route, decoded."""
    query: Mapping[str, str]
    body: bytes
    init_data: Any = None
    """The init-data claims of the caller's primary evidence; None for administrators, and where there are none."""


class Plugin(Protocol):
    """An open plugin."""

    def needs_admin(self, request: PluginRequest) -> bool:
        """Whether the call is one for administrators; else it is one for attested guests. Raises PluginError."""
        ...

    async def handle(self, request: PluginRequest) -> bytes:
        """Do what is asked; return the body of the answer. Raises PluginError, StorageError."""
        ...

    def needs_encryption(self, request: PluginRequest) -> bool:
        """Whether the answer to an attested guest is encrypted to its TEE key."""
        ...


@dataclass(frozen=True, slots=True)
class PluginServices:
    """What the broker lends to its plugins."""

    storage: StorageBackend
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class PluginType:
    """A kind of plugin, as an entry point announces it."""

    route: str
    """The first segment below `/kbs/v0/`."""
    names: tuple[str, ...]
    """What `name` may be in a `[[plugins]]` table, for example `resource` and `ResourceStorage`."""
    settings: type[msgspec.Struct]
    """What a table may hold beside `name`; unknown keys of the table are warned of."""
    open: Callable[[Any, PluginServices], Awaitable[Plugin]]
    """Open with the settings. Raises ConfigError."""
