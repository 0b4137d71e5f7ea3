"""What the service and its policy workers say to each other, over pipes.

A frame is the length of its body (4 bytes, big-endian) and the body: JSON. A worker begins with the frame `READY`, then
answers each request with one reply. Values that are undefined are not in a reply.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any, Final

import msgspec

from trustee_core.policy.contract import PolicyError, PolicyEvaluationError, PolicyParseError, PolicyRefusedError

if TYPE_CHECKING:
    from typing import BinaryIO

MAX_REQUEST: Final = 64 * 1024 * 1024
MAX_REPLY: Final = 16 * 1024 * 1024
READY: Final = b'"ready"'
HEADER: Final = struct.Struct(">I")

_KINDS: Final = {kind.__name__: kind for kind in (PolicyParseError, PolicyRefusedError, PolicyEvaluationError)}


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Evaluate rules of a policy; for an upload (`check`) look for functions that do not exist, too."""

    policy: str
    rules: list[str]
    check: bool = False
    input: str = "{}"
    data: str = ""
    known: dict[str, Any] = {}
    """Reference values by id."""
    seconds: float
    """After this time nobody waits any more."""


class Failure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A policy error."""

    kind: str
    message: str
    code: str
    advice: str
    engine_text: str


class Reply(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an evaluation gave."""

    values: dict[str, Any] = {}
    absent: list[str] = []
    missed: list[str] = []
    """Ids of reference values that were asked for and not known."""
    reference_values: list[str] = []
    """Ids of reference values that stand in the text."""
    prints: list[str] = []
    seconds: float = 0.0
    """What compiling and evaluating took of the processor's time."""
    unbounded: str = ""
    """For an upload: why the policy belongs into a worker; empty if it need not be there."""
    failure: Failure | None = None


class MessageError(Exception):
    """A frame that is too large, broken off, or not what should come."""


def encode(message: Request | Reply) -> bytes:
    """Return a frame. Raises MessageError: it is too large."""
    fields = msgspec.structs.asdict(message)
    failure = fields.get("failure")
    if failure is not None:
        fields["failure"] = msgspec.structs.asdict(failure)
    return frame(json.dumps(fields).encode(), MAX_REQUEST if isinstance(message, Request) else MAX_REPLY)


def frame(body: bytes, limit: int) -> bytes:
    """Put the length before a body. Raises MessageError."""
    if len(body) > limit:
        raise MessageError(f"a message of {len(body)} bytes: more than {limit}")
    return HEADER.pack(len(body)) + body


def body_size(header: bytes, limit: int) -> int:
    """Return the length that a header of 4 bytes announces. Raises MessageError."""
    (size,) = HEADER.unpack(header)
    if size > limit:
        raise MessageError(f"a message of {size} bytes is announced: more than {limit}")
    return int(size)


def decode_request(body: bytes) -> Request:
    """Read a request. Raises MessageError."""
    try:
        return msgspec.convert(json.loads(body), Request)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"not a request: {error}") from None


def decode_reply(body: bytes) -> Reply:
    """Read a reply. Raises MessageError."""
    try:
        return msgspec.convert(json.loads(body), Reply)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"not a reply: {error}") from None


def read_frame(pipe: BinaryIO, limit: int) -> bytes | None:
    """Read a body from a pipe that waits; None where it ends. Raises MessageError."""
    header = pipe.read(HEADER.size)
    if not header:
        return None
    if len(header) < HEADER.size:
        raise MessageError("the pipe ends within a message")
    size = body_size(header, limit)
    body = pipe.read(size)
    if len(body) < size:
        raise MessageError("the pipe ends within a message")
    return body


def failure_of(error: PolicyError) -> Failure:
    """Return an error as it travels."""
    return Failure(type(error).__name__, error.message, error.code, error.advice, error.engine_text)


def error_of(failure: Failure) -> PolicyError:
    """Return the error that travelled."""
    kind = _KINDS.get(failure.kind, PolicyEvaluationError)
    return kind(failure.message, code=failure.code, advice=failure.advice, engine_text=failure.engine_text)
