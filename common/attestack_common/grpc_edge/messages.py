"""What a gRPC service is made of: methods from message bytes to message bytes, refusals, and the bounds of both.

A refusal's text travels in a header. Peers take about 8 KiB of headers in all, and octets that are not printable ASCII
travel as three: a text is cut in its middle so that it fits, and keeps its end, where advice and code stand.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, TypeAlias

MEBIBYTE: Final = 1024 * 1024
MAX_ENCODED_TEXT: Final = 4096
"""Octets of a status text as it travels."""

_TAIL: Final = 640
_CUT: Final = " ... "


class Status(IntEnum):
    """The status codes of gRPC."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class Refusal(Exception):  # noqa: N818  # an answer, not a failure
    """What a method raises to answer with a status other than OK. The text is sent as it is, if it is not too long."""

    def __init__(self, status: Status, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


Method: TypeAlias = Callable[[bytes], Awaitable[bytes]]
"""A unary method. Raises Refusal."""
StreamMethod: TypeAlias = Callable[[bytes], AsyncIterator[bytes]]
"""A method that answers one message with many. Raises Refusal."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service by its full name, for example `reference.ReferenceValueProviderService`."""

    name: str
    methods: Mapping[str, Method]
    streams: Mapping[str, StreamMethod] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one server. Sizes in bytes, times in seconds."""

    message_bytes: int = 4 * MEBIBYTE
    """A message; one more byte is answered RESOURCE_EXHAUSTED."""
    message_seconds: float = 30.0
    """From the head of a call to the end of its message; then DEADLINE_EXCEEDED."""
    handler_seconds: float = 60.0
    """How long a method may take; then DEADLINE_EXCEEDED."""
    running_calls: int = 256
    """Methods running at once; one more call is answered RESOURCE_EXHAUSTED."""
    open_calls: int = 4096
    """Calls of which at least the head has come; one more is answered RESOURCE_EXHAUSTED."""
    streams: int = 100
    """Open calls of one connection; its peer is told so."""
    watchers: int = 32
    """Methods that answer with a stream, running at once."""
    preface_seconds: float = 10.0
    """From the connection (with TLS: from its handshake) to the first bytes that tell what it speaks."""
    max_connections: int = 1024
    """Open connections; three file descriptors each, never more than three quarters of them in all."""


def bounded_text(text: str) -> str:
    """Return a status text that fits a header, its middle cut out where it does not."""
    text = text.encode("utf-8", "replace").decode()
    if _encoded_size(text) <= MAX_ENCODED_TEXT:
        return text
    tail = text[-_TAIL:].encode("ascii", "replace").decode()
    room = MAX_ENCODED_TEXT - _encoded_size(_CUT + tail)
    head = 0
    for character in text:
        room -= _encoded_size(character)
        if room < 0:
            break
        head += 1
    return text[:head] + _CUT + tail


def _encoded_size(text: str) -> int:
    return sum(1 if 0x20 <= octet <= 0x7E and octet != 0x25 else 3 for octet in text.encode())  # noqa: PLR2004  # printable, but `%`
