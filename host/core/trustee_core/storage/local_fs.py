r"""Storage in folders, byte for byte as upstream's LocalFs writes and reads them.

Either program can be started on a folder that the other one wrote. They must not run on it at the same time with
both writing: upstream takes no lock and writes in place, so that others can see half of a value.

Keys: upstream refuses on writing what is not `[A-Za-z0-9._/-]*`, and so do we, besides what no backend keeps and what
would be a file name of more than 255 bytes (each `/` is four). Names of reference values with a space or a colon are
among the refused.

Small values are read at once, on the calling thread, without a lock. Whatever else may block (waiting for the disk or
for another process) is done on one worker thread, which does together what waits for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attestack_common.clock import Clock, system_clock

from trustee_core.storage.files import ChangedError, TooLargeError, folder_failure
from trustee_core.storage.gathered import Write, perform
from trustee_core.storage.local_fs_files import reason_against_name
from trustee_core.storage.local_fs_namespace import Namespace
from trustee_core.storage.own_folder import check_folder_namespace
from trustee_core.storage.rules import check_value, expires_at, refused
from trustee_core.storage.settings import Settings
from trustee_core.storage.worker import TIME_LIMIT, Worker, closed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from trustee_core.storage.local_fs_change import Change

DEFAULT_FOLDER: Final = "/opt/confidential-containers/storage/local_fs"
LOCK_WAIT: Final = 5.0
"""Seconds to wait for another process that changes the same namespace."""
INLINE_SIZE: Final = 64 << 10
"""Bytes of a value up to which it is read on the calling thread."""


def open_backend(settings: Mapping[str, object]) -> LocalFsBackend:
    """Open the folder that `dir_path` names. Raises ConfigError."""
    table = Settings("local_fs", settings)
    root = table.folder("dir_path", table.path("dir_path", DEFAULT_FOLDER))
    table.done()
    return LocalFsBackend(root)


class LocalFsBackend:
    """One folder, with a folder for each namespace in it. `lock_wait` and `time_limit` are in seconds."""

    def __init__(
        self,
        root: Path,
        *,
        clock: Clock = system_clock,
        lock_wait: float = LOCK_WAIT,
        time_limit: float = TIME_LIMIT,
    ) -> None:
        self.clock = clock
        self.worker = Worker(f"the LocalFs store {root}", perform, time_limit=time_limit)
        self._root = str(root)
        self._lock_wait = lock_wait
        self._namespaces: dict[str, Namespace] = {}
        self._closed = False

    def namespace(self, name: str) -> LocalFsStore:
        """Open a namespace; its folder is made. Raises KeyRefusedError, StorageError."""
        check_folder_namespace(name)
        namespace = self._namespaces.get(name)
        if namespace is None:
            namespace = Namespace(self._root, name, clock=self.clock, lock_wait=self._lock_wait)
        try:
            namespace.make()
        except OSError as error:
            raise folder_failure(error, f"{self._root}/{name}") from None
        self._namespaces[name] = namespace
        return LocalFsStore(self, namespace)

    async def close(self) -> None:
        """Finish the writes that wait, and let go of the folders."""
        self._closed = True
        await self.worker.close()
        for namespace in self._namespaces.values():
            namespace.forget()

    def check_open(self) -> None:
        """Raise StorageError after `close`."""
        if self._closed:
            raise closed(f"the LocalFs store {self._root}")


class LocalFsStore:
    """One namespace."""

    def __init__(self, backend: LocalFsBackend, namespace: Namespace) -> None:
        self._backend = backend
        self._namespace = namespace

    def check_key(self, key: str) -> None:
        """Raise KeyRefusedError if the key cannot be kept."""
        reason = reason_against_name(key)
        if reason is not None:
            raise refused(key, reason)

    async def get(self, key: str) -> bytes | None:
        """Return the value, or None. Raises StorageError."""
        self._backend.check_open()
        if reason_against_name(key) is not None:
            return None
        try:
            return self._namespace.read(key, INLINE_SIZE)
        except (ChangedError, TooLargeError):
            return await self._backend.worker.do(lambda: self._namespace.read_waiting(key))

    async def put(self, key: str, value: bytes, *, ttl: float | None = None) -> None:
        """Write, replacing whatever is there. Raises KeyRefusedError, ValueRefusedError, StorageError."""
        expires = self._checked(key, value, ttl)
        await self._set(key, value, lambda change: change.put(value, expires))

    async def put_if_absent(self, key: str, value: bytes, *, ttl: float | None = None) -> bool:
        """Write if the key is absent; say whether it was. Raises KeyRefusedError, ValueRefusedError, StorageError."""
        return await self.compare_and_set(key, None, value, ttl=ttl)

    async def compare_and_set(
        self, key: str, expected: bytes | None, value: bytes, *, ttl: float | None = None
    ) -> bool:
        """Write if the present value is `expected`; say whether it was.

        Raises KeyRefusedError, ValueRefusedError, StorageError.
        """
        expires = self._checked(key, value, ttl)
        return await self._set(key, value, lambda change: change.compare_and_set(expected, value, expires))

    async def delete(self, key: str) -> bool:
        """Delete; say whether there was something to delete. Raises StorageError."""
        if reason_against_name(key) is not None:
            return False
        return await self._backend.worker.do(Write(self._namespace, "delete", key, lambda change: change.delete()))

    async def keys(self, prefix: str = "") -> list[str]:
        """Return the keys that start with `prefix`, sorted. Raises StorageError."""
        return await self._backend.worker.do(lambda: self._namespace.keys(prefix))

    async def _set(self, key: str, value: bytes, change: Callable[[Change], bool]) -> bool:
        return await self._backend.worker.do(Write(self._namespace, "set", key, change, len(value)))

    def _checked(self, key: str, value: bytes, ttl: float | None) -> int | None:
        self.check_key(key)
        check_value(value)
        return expires_at(self._backend.clock, ttl)
