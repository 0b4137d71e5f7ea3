"""The contract of key-value storage. One contract suite holds every backend to it.

Values are bytes up to 16 MiB. Every operation is atomic, also between processes that share the backend, and a write
that returned survives a crash (memory aside). A value whose time has come is absent everywhere at once. Every backend
bounds the time that an operation may take and raises `StorageTimeoutError` after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from attestack_common.errors import AttestackError

if TYPE_CHECKING:
    from collections.abc import Mapping


class StorageError(AttestackError):
    """The base of storage errors.

    StorageError
    ├── KeyRefusedError        a key or namespace that this backend cannot keep
    ├── ValueRefusedError      a value that is larger than 16 MiB
    ├── StorageTimeoutError    the backend did not answer in time
    └── StorageCorruptError    what is stored cannot be read: it is kept, reported, and never served
    """

    default_code = "STORAGE"


class KeyRefusedError(StorageError):
    """A key or namespace that this backend cannot keep."""

    default_code = "STORAGE-KEY"


class ValueRefusedError(StorageError):
    """A value that is larger than 16 MiB."""

    default_code = "STORAGE-SIZE"


class StorageTimeoutError(StorageError):
    """The backend did not answer in time."""

    default_code = "STORAGE-TIMEOUT"


class StorageCorruptError(StorageError):
    """What is stored cannot be read: it is kept, reported, and never served."""

    default_code = "STORAGE-CORRUPT"


class KeyValueStore(Protocol):
    """One namespace of a backend. `ttl` is in seconds from now; None keeps the value until it is deleted."""

    def check_key(self, key: str) -> None:
        """Raise KeyRefusedError if this backend cannot keep the key: for those who write several, all or none."""
        ...

    async def get(self, key: str) -> bytes | None:
        """Return the value, or None."""
        ...

    async def put(self, key: str, value: bytes, *, ttl: float | None = None) -> None:
        """Write, replacing whatever is there."""
        ...

    async def put_if_absent(self, key: str, value: bytes, *, ttl: float | None = None) -> bool:
        """Write if the key is absent; say whether it was."""
        ...

    async def compare_and_set(
        self, key: str, expected: bytes | None, value: bytes, *, ttl: float | None = None
    ) -> bool:
        """Write if the present value is `expected` (None: absent); say whether it was."""
        ...

    async def delete(self, key: str) -> bool:
        """Delete; say whether there was something to delete."""
        ...

    async def keys(self, prefix: str = "") -> list[str]:
        """Return the keys that start with `prefix`, sorted."""
        ...


class StorageBackend(Protocol):
    """A backend: a place that holds namespaces."""

    def namespace(self, name: str) -> KeyValueStore:
        """Open a namespace. Raises KeyRefusedError: the name is empty, absolute, or has empty or dot segments."""
        ...

    async def close(self) -> None:
        """Release what the backend holds. Safe to call twice."""
        ...


class OpenBackend(Protocol):
    """How an entry point of `attestack.storage` opens a backend from its table of `storage_backend.backends`."""

    def __call__(self, settings: Mapping[str, object]) -> StorageBackend:
        """Open. Raises ConfigError that names the key."""
        ...
