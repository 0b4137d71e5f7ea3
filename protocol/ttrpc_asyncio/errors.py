"""Errors of this package.

    TtrpcError                     a stable code, a message, and what to do next
    ├── StatusError                the call was answered with a status that is not OK; handlers raise it too
    ├── ConnectionClosedError      the connection ended, so the answer will never come
    ├── DeadlineExceededError      the caller's own time limit passed (a server's is a StatusError)
    ├── ConnectError               nobody answers at the address
    ├── FrameError                 a message over the size limit, refused before it is sent or after it was skipped
    ├── EnvelopeError              bytes that are not the protobuf message that belongs there
    └── AddressError               an address that cannot be read, or not be listened on

Every error has a `code` that never changes. Messages name services, methods, sizes and addresses, never payloads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ttrpc_asyncio.codes import Code

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Detail:
    """A typed detail of a status: google.protobuf.Any."""

    type_url: str
    value: bytes


class TtrpcError(Exception):
    """Base of this package's errors. `code` is stable; `advice` says what to do next, or is empty."""

    default_code: ClassVar[str] = "TTRPC"

    def __init__(self, message: str, *, code: str | None = None, advice: str = "") -> None:
        self.code = code or self.default_code
        self.message = message
        self.advice = advice
        super().__init__(f"{message} [{self.code}]")


class StatusError(TtrpcError):
    """A status that is not OK: what a client gets as an answer, and what a handler raises to give one.

    `message` is what travels on the wire, unless the server's `error_text` makes another text of the error.
    """

    default_code = "TTRPC-STATUS"

    def __init__(
        self,
        status: Code,
        message: str,
        details: Iterable[Detail] = (),
        *,
        code: str | None = None,
        advice: str = "",
    ) -> None:
        if status is Code.OK:
            raise ValueError("OK is not an error")
        self.status = status
        self.details = tuple(details)
        super().__init__(message, code=code, advice=advice)

    def __str__(self) -> str:
        return f"{self.status.name}: {self.message} [{self.code}]"


class ConnectionClosedError(TtrpcError):
    """The connection ended. `request_sent` says whether the peer can have seen the request, and so have acted on it."""

    default_code = "TTRPC-CLOSED"

    def __init__(self, message: str = "local stream closed", *, request_sent: bool) -> None:
        self.request_sent = request_sent
        super().__init__(message)


class DeadlineExceededError(TtrpcError):
    """The caller's own time limit passed. The peer may still be at work on the call."""

    default_code = "TTRPC-DEADLINE"


class ConnectError(TtrpcError):
    """Nobody answers at the address."""

    default_code = "TTRPC-CONNECT"


class FrameError(TtrpcError):
    """A message over the size limit: refused before it is sent, or skipped when it came."""

    default_code = "TTRPC-MESSAGE-SIZE"


class EnvelopeError(TtrpcError):
    """Bytes that are not the protobuf message that belongs there. The message is the one that the Rust crate sends."""

    default_code = "TTRPC-ENVELOPE"


class AddressError(TtrpcError):
    """An address that cannot be read, or not be listened on."""

    default_code = "TTRPC-ADDRESS"
