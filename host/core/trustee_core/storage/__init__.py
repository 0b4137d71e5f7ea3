"""Key-value storage: the contract and its backends."""

from __future__ import annotations

from trustee_core.storage.contract import (
    KeyRefusedError,
    KeyValueStore,
    StorageBackend,
    StorageCorruptError,
    StorageError,
    StorageTimeoutError,
    ValueRefusedError,
)
from trustee_core.storage.registry import open_storage

__all__ = [
    "KeyRefusedError",
    "KeyValueStore",
    "StorageBackend",
    "StorageCorruptError",
    "StorageError",
    "StorageTimeoutError",
    "ValueRefusedError",
    "open_storage",
]
