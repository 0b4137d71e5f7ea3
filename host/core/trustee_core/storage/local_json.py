"""Storage in JSON files, one for each namespace, as upstream's LocalJson writes and reads them.

Either program can be started on a folder that the other one wrote. They must not run on it at the same time with both
writing: upstream takes no lock, writes in place, and writes back whatever it read before.

Keys: whatever all backends keep, so also names of reference values with a space or a colon. What else upstream wrote,
for example a key `../x`, stays in the file and is not served.

Every write writes the whole namespace, once for all operations that wait together: for small stores. Values are read
at once, on the calling thread, where the file is small or was read before; all else is done on one worker thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attestack_common.clock import Clock, system_clock

from trustee_core.storage.files import ChangedError, TooLargeError, folder_failure
from trustee_core.storage.gathered import Write, perform
from trustee_core.storage.local_json_namespace import Namespace
from trustee_core.storage.own_folder import check_folder_namespace
from trustee_core.storage.rules import check_key, check_value, expires_at, reason_against
from trustee_core.storage.settings import Settings
from trustee_core.storage.worker import TIME_LIMIT, Worker, closed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DEFAULT_FOLDER: Final = "/opt/confidential-containers/storage/local_json"
LOCK_WAIT: Final = 5.0
"""Seconds to wait for another process that changes the same namespace."""
INLINE_SIZE: Final = 64 << 10
"""Bytes of a file, and of a value's text, up to which a value is read on the calling thread."""


def open_backend(settings: Mapping[str, object]) -> LocalJsonBackend:
    """Open the folder that `file_dir_path` names. Raises ConfigError."""
    table = Settings("local_json", settings)
    root = table.folder("file_dir_path", table.path("file_dir_path", DEFAULT_FOLDER))
    table.done()
    return LocalJsonBackend(root)


class LocalJsonBackend:
    """One folder, with a file for each namespace in it. `lock_wait` and `time_limit` are in seconds."""

    def __init__(
        self,
        root: Path,
        *,
        clock: Clock = system_clock,
        lock_wait: float = LOCK_WAIT,
        time_limit: float = TIME_LIMIT,
    ) -> None:
        self.clock = clock
        self.worker = Worker(f"the LocalJson store {root}", perform, time_limit=time_limit)
        self._root = str(root)
        self._lock_wait = lock_wait
        self._namespaces: dict[str, Namespace] = {}
        self._closed = False

    def namespace(self, name: str) -> LocalJsonStore:
        """Open a namespace; its file is made by the first write. Raises KeyRefusedError, StorageError."""
        check_folder_namespace(name)
        namespace = self._namespaces.get(name)
        if namespace is None:
            namespace = Namespace(self._root, name, clock=self.clock, lock_wait=self._lock_wait)
            try:
                namespace.make()
            except OSError as error:
                raise folder_failure(error, f"{self._root}/{name}") from None
            self._namespaces[name] = namespace
        return LocalJsonStore(self, namespace)

    async def close(self) -> None:
        """Finish the writes that wait, and let go of the files."""
        self._closed = True
        await self.worker.close()
        for namespace in self._namespaces.values():
            namespace.forget()

    def check_open(self) -> None:
        """Raise StorageError after `close`."""
        if self._closed:
            raise closed(f"the LocalJson store {self._root}")


class LocalJsonStore:
    """One namespace."""

    def __init__(self, backend: LocalJsonBackend, namespace: Namespace) -> None:
        self._backend = backend
        self._namespace = namespace

    def check_key(self, key: str) -> None:
        """Raise KeyRefusedError if the key cannot be kept."""
        check_key(key)

    async def get(self, key: str) -> bytes | None:
        """Return the value, or None. Raises StorageError."""
        self._backend.check_open()
        if reason_against(key) is not None:
            return None
        try:
            return self._namespace.read(key, INLINE_SIZE)
        except (ChangedError, TooLargeError):
            return await self._backend.worker.do(lambda: self._namespace.read_waiting(key))

    async def put(self, key: str, value: bytes, *, ttl: float | None = None) -> None:
        """Write, replacing whatever is there. Raises KeyRefusedError, ValueRefusedError, StorageError."""
        expires = self._checked(key, value, ttl)
        await self._backend.worker.do(
            Write(self._namespace, "set", key, lambda draft: draft.put(key, value, expires)),
        )

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
        return await self._backend.worker.do(
            Write(self._namespace, "set", key, lambda draft: draft.compare_and_set(key, expected, value, expires)),
        )

    async def delete(self, key: str) -> bool:
        """Delete; say whether there was something to delete. Raises StorageError."""
        if reason_against(key) is not None:
            return False
        return await self._backend.worker.do(Write(self._namespace, "delete", key, lambda draft: draft.delete(key)))

    async def keys(self, prefix: str = "") -> list[str]:
        """Return the keys that start with `prefix`, sorted. Raises StorageError."""
        return await self._backend.worker.do(lambda: self._namespace.keys(prefix))

    def _checked(self, key: str, value: bytes, ttl: float | None) -> int | None:
        self.check_key(key)
        check_value(value)
        return expires_at(self._backend.clock, ttl)
