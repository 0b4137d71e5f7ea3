"""What a handler is told about the call that it serves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

Metadata = Mapping[str, Sequence[str]]
"""Keys and values that travel beside the payload. Keys are lower-case; a key may have several values."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Who called. The ids are the kernel's word at the time of connecting; None where the socket is not a unix one."""

    address: str
    """`ip:port`, `cid:port`, or the empty string: a client's unix socket has no name."""
    pid: int | None = None
    uid: int | None = None
    gid: int | None = None


@dataclass(frozen=True, slots=True)
class CallContext:
    """One call, without its payload."""

    service: str
    method: str
    metadata: Metadata
    timeout_nano: int
    """What the caller sent, in nanoseconds; 0 or less: no time limit."""
    peer: Peer
    deadline: float | None = None
    """When the call is cancelled, in seconds of the event loop's clock; None: never."""

    def remaining(self) -> float | None:
        """Return the seconds that are left, not below 0; None: no time limit. To be called on the event loop."""
        if self.deadline is None:
            return None
        return max(0.0, self.deadline - asyncio.get_running_loop().time())


Handler = Callable[[bytes, CallContext], Awaitable[bytes]]
"""Serves one method: takes the request's payload, returns the answer's, or raises StatusError."""
