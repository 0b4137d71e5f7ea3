"""Errors of calls to a gRPC peer.

    CallError
    ├── CallRefusedError          the peer answered with a status: `status` and its text
    ├── PeerUnreachableError      no connection, or one that broke
    └── CallTimeoutError          no answer in time

A peer's text is its own words: at most 4096 characters of it are kept. It may end with one of our codes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attestack_common.errors import AttestackError

if TYPE_CHECKING:
    from attestack_common.grpc_edge.messages import Status

MAX_TEXT: Final = 4096


class CallError(AttestackError):
    """The base of the errors of a call."""

    default_code = "GRPC"


class CallRefusedError(CallError):
    """The peer answered with a status."""

    default_code = "GRPC-REFUSED"

    def __init__(self, status: Status, text: str) -> None:
        super().__init__(text[:MAX_TEXT] or status.name)
        self.status = status


class PeerUnreachableError(CallError):
    """There is no connection to the peer, or it broke."""

    default_code = "GRPC-UNREACHABLE"


class CallTimeoutError(CallError):
    """The peer did not answer in time."""

    default_code = "GRPC-TIMEOUT"
