"""Operations that wait for the worker of a backend, and are done together for each namespace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from trustee_core.storage.worker import each

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trustee_core.storage.worker import Job


class Commits(Protocol):
    """A namespace that does several operations at once."""

    def commit(self, jobs: Sequence[Job]) -> None:
        """Do `Write`s in their order, and set the outcome or the error of each."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Write:
    """An operation that may change a namespace. `doing` is `set` or `delete`, for messages."""

    namespace: Commits
    doing: str
    key: str
    change: Callable[[Any], bool]
    size: int = 0
    """Bytes of the value."""

    def __call__(self, draft: Any) -> bool:  # noqa: ANN401  # each backend has its own
        """Do it on the backend's draft of what will be. Raises StorageError."""
        return self.change(draft)


def perform(batch: Sequence[Job]) -> None:
    """Do the writes of each namespace together, then what reads."""
    writes: dict[Commits, list[Job]] = {}
    reads: list[Job] = []
    for job in batch:
        if isinstance(job.call, Write):
            writes.setdefault(job.call.namespace, []).append(job)
        else:
            reads.append(job)
    for namespace, jobs in writes.items():
        namespace.commit(jobs)
    each(reads)
