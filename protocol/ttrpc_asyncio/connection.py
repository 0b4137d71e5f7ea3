"""The server's side of one connection.

What each frame gets (guest-aa is the reference of the texts: they are the Rust crate's):

    a request over the size limit          INVALID_ARGUMENT  message length N exceed maximum message size of M
    a request with an even stream id       INVALID_ARGUMENT  stream id must be odd
    a stream id whose call is in flight    INVALID_ARGUMENT  stream id N is in use
    too many calls, or bytes, in flight    RESOURCE_EXHAUSTED
    an envelope that does not decode       INVALID_ARGUMENT  what is wrong with it
    a service that is not served           INVALID_ARGUMENT  S service does not exist
    a method that the service lacks        UNIMPLEMENTED     M method
    any request while the server stops     UNAVAILABLE
    a call that takes too long             DEADLINE_EXCEEDED timeout
    a handler that raises StatusError      that status
    a handler that raises anything else    UNKNOWN, without the exception's text
    an answer over the size limit          INVALID_ARGUMENT  as for a request
    an answer, too many being unread       RESOURCE_EXHAUSTED
    frames of other types                  ignored

None of these ends the connection. Requests are served concurrently, answers go out in the order of completion.
When the connection ends, its handlers are cancelled.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ttrpc_asyncio.codes import Code
from ttrpc_asyncio.context import CallContext, Peer
from ttrpc_asyncio.envelope import decode_request, encode_response, encode_status
from ttrpc_asyncio.errors import EnvelopeError, StatusError
from ttrpc_asyncio.frames import REQUEST, RESPONSE, encode_frame, oversize_text
from ttrpc_asyncio.protocol import FrameProtocol, logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ttrpc_asyncio.context import Handler
    from ttrpc_asyncio.envelope import Request
    from ttrpc_asyncio.frames import Frame

LONGEST_TIMEOUT_NANO: Final = 366 * 24 * 3600 * 10**9
"""Time limits beyond a year are none: event loops cannot count that far."""
MESSAGES_IN_FLIGHT: Final = 8
"""How many messages of the largest size the requests in flight on one connection may add up to, and so the answers
that its peer has not read."""

_CREDENTIALS: Final = struct.Struct("3i")


@dataclass(slots=True)
class ServerState:
    """What the connections of one server share."""

    services: Mapping[str, Mapping[str, Handler]]
    max_message: int
    max_connections: int
    max_streams: int
    drain_seconds: float
    error_text: Callable[[StatusError], str] | None
    connections: set[ServerConnection] = field(default_factory=set)
    """Those that stand, and those that have ended while a handler of theirs has not."""
    stopping: bool = False
    full: bool = False
    """Whether the last connection was refused: a flood of them is one line in the log."""

    def answer_to(self, error: StatusError) -> bytes:
        """Encode the answer that this error is. One that no wire can carry is a handler that failed."""
        message = self._text_of(error)
        try:
            return encode_status(error.status, message, error.details)
        except (AttributeError, TypeError, ValueError, IndexError) as cause:
            _log_failure("a handler raised a status that cannot be sent", cause)
            return self.answer_to(_handler_failed())

    def _text_of(self, error: StatusError) -> str:
        """Return the message to send. A failing `error_text` must not cost the caller its answer."""
        if self.error_text is None:
            return error.message
        try:
            text = self.error_text(error)
            if not isinstance(text, str):
                raise TypeError(f"error_text returned {type(text).__name__}, not str")  # noqa: TRY301  # as if it raised
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as cause:  # noqa: BLE001  # as for a handler
            _log_failure("error_text failed", cause)
            return error.message
        return text


class _Call:
    """A call in flight."""

    __slots__ = ("answered", "size", "stream_id", "task", "timer")

    def __init__(self, stream_id: int, size: int) -> None:
        self.stream_id = stream_id
        self.size = size
        self.answered = False
        self.task: asyncio.Task[None] | None = None
        self.timer: asyncio.TimerHandle | None = None


class ServerConnection(FrameProtocol):
    """One client of a server."""

    def __init__(self, state: ServerState) -> None:
        super().__init__(max_message=state.max_message, drain_seconds=state.drain_seconds, holds_back=True)
        self._state = state
        self._peer = Peer("")
        self._calls: dict[int, _Call] = {}
        self._bytes_in_flight = 0

    @property
    def tasks(self) -> set[asyncio.Task[None]]:
        """The handlers that are at work."""
        return {call.task for call in self._calls.values() if call.task is not None}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the client in, or end the connection at once when there are too many."""
        super().connection_made(transport)
        state = self._state
        if state.stopping or len(state.connections) >= state.max_connections:
            if not state.full and not state.stopping:
                logger.warning("connections are refused: %d are open", len(state.connections))
            state.full = True
            self.transport.abort()
            return
        state.full = False
        state.connections.add(self)
        self._peer = peer_of(transport)

    def connection_ended(self) -> None:
        """Cancel the calls in flight."""
        self.cancel_calls()
        if not self._calls and self.closed:
            self._state.connections.discard(self)

    def frame_received(self, frame: Frame) -> None:
        """Start the call that a request frame asks for, or refuse it."""
        if frame.kind != REQUEST:
            logger.debug("frame of type %d on stream %d ignored", frame.kind, frame.stream_id)
            return
        try:
            self._admit(frame)
            self._start(frame, decode_request(frame.payload))
        except EnvelopeError as error:
            refusal = StatusError(Code.INVALID_ARGUMENT, error.message, code=error.code)
            self._send(frame.stream_id, self._state.answer_to(refusal))
        except StatusError as error:
            self._send(frame.stream_id, self._state.answer_to(error))

    def _admit(self, frame: Frame) -> None:
        if frame.oversize:
            raise _too_long(frame.oversize, self.max_message)
        if frame.stream_id % 2 == 0:
            raise StatusError(Code.INVALID_ARGUMENT, "stream id must be odd", code="TTRPC-STREAM-ID")
        if frame.stream_id in self._calls:
            raise StatusError(
                Code.INVALID_ARGUMENT, f"stream id {frame.stream_id} is in use", code="TTRPC-STREAM-IN-USE"
            )
        if self._state.stopping:
            raise StatusError(
                Code.UNAVAILABLE, "the server is stopping", code="TTRPC-STOPPING", advice="connect again later"
            )
        if (
            len(self._calls) >= self._state.max_streams
            or self._bytes_in_flight + len(frame.payload) > MESSAGES_IN_FLIGHT * self.max_message
        ):
            raise StatusError(
                Code.RESOURCE_EXHAUSTED,
                "too many calls in flight on this connection",
                code="TTRPC-STREAMS",
                advice="wait for answers before calling again",
            )

    def _start(self, frame: Frame, request: Request) -> None:
        service = self._state.services.get(request.service)
        if service is None:
            raise StatusError(Code.INVALID_ARGUMENT, f"{request.service} service does not exist", code="TTRPC-SERVICE")
        handler = service.get(request.method)
        if handler is None:
            raise StatusError(Code.UNIMPLEMENTED, f"{request.method} method", code="TTRPC-METHOD")
        call = self._calls[frame.stream_id] = _Call(frame.stream_id, len(frame.payload))
        self._bytes_in_flight += call.size
        deadline = None
        if 0 < request.timeout_nano < LONGEST_TIMEOUT_NANO:
            deadline = self.loop.time() + request.timeout_nano / 1e9
            call.timer = self.loop.call_at(deadline, self._expire, call)
        context = CallContext(
            request.service, request.method, request.metadata, request.timeout_nano, self._peer, deadline
        )
        call.task = self.loop.create_task(self._serve(call, handler, request.payload, context))

    async def _serve(self, call: _Call, handler: Handler, payload: bytes, context: CallContext) -> None:
        try:
            answer = await handler(payload, context)
            if not isinstance(answer, bytes):
                raise TypeError(f"a handler returned {type(answer).__name__}, not bytes")  # noqa: TRY301  # as if it raised
            self._answer(call, encode_response(answer))
        except StatusError as error:
            self._refuse(call, error)
        except asyncio.CancelledError:
            self._refuse(call, StatusError(Code.CANCELLED, "the call was cancelled", code="TTRPC-CANCELLED"))
            raise
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001  # the panic of a native extension is not an Exception
            _log_failure(f"/{context.service}/{context.method} failed", error)
            self._refuse(call, _handler_failed())
        finally:
            self._finish(call)

    def _expire(self, call: _Call) -> None:
        """Answer a call whose time is over, whether or not its handler heeds the cancellation."""
        self._refuse(call, StatusError(Code.DEADLINE_EXCEEDED, "timeout", code="TTRPC-TIMEOUT"))
        self.cancel_calls({call.task} if call.task else set())

    def cancel_calls(self, tasks: set[asyncio.Task[None]] | None = None) -> None:
        """Cancel these handlers, or all, after they have started: one that never ran would never be finished."""
        for task in self.tasks if tasks is None else tasks:
            self.loop.call_soon(task.cancel)

    def _answer(self, call: _Call, body: bytes) -> None:
        if not call.answered:
            call.answered = True
            self._send(call.stream_id, body)

    def _refuse(self, call: _Call, error: StatusError) -> None:
        if not call.answered:
            self._answer(call, self._state.answer_to(error))

    def _send(self, stream_id: int, body: bytes) -> None:
        if len(body) > self.max_message:
            body = self._instead(_too_long(len(body), self.max_message))
        elif not self.writable.is_set() and self._unread + len(body) > MESSAGES_IN_FLIGHT * self.max_message:
            body = self._instead(_too_much_unread())
        self.write(encode_frame(stream_id, RESPONSE, body))

    @property
    def _unread(self) -> int:
        return self.transport.get_write_buffer_size()

    def _instead(self, error: StatusError) -> bytes:
        """Encode what is sent in place of an answer; if `error_text` makes it too long as well, without its help."""
        body = self._state.answer_to(error)
        return body if len(body) <= self.max_message else encode_status(error.status, error.message)

    def _finish(self, call: _Call) -> None:
        del self._calls[call.stream_id]
        self._bytes_in_flight -= call.size
        if call.timer is not None:
            call.timer.cancel()
        if self.closed and not self._calls:
            self._state.connections.discard(self)


def peer_of(transport: asyncio.BaseTransport) -> Peer:
    """Return who is at the other end: nobody that can be named, if it is gone already."""
    name = transport.get_extra_info("peername")
    if isinstance(name, tuple):
        return Peer(":".join(str(part) for part in name[:2]))
    if name is None:
        return Peer("")
    sock = transport.get_extra_info("socket")
    credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return Peer("", *_CREDENTIALS.unpack(credentials))


def _too_long(length: int, limit: int) -> StatusError:
    return StatusError(Code.INVALID_ARGUMENT, oversize_text(length, limit), code="TTRPC-MESSAGE-SIZE")


def _too_much_unread() -> StatusError:
    return StatusError(
        Code.RESOURCE_EXHAUSTED,
        "too many answers are unread on this connection",
        code="TTRPC-UNREAD",
        advice="read answers as they come, or ask for less at once",
    )


def _handler_failed() -> StatusError:
    return StatusError(Code.UNKNOWN, "the handler failed", code="TTRPC-HANDLER", advice="see the server's log")


def _log_failure(what: str, error: BaseException) -> None:
    """Say what failed, and where. The exception's text stays out of the log: it may hold what a handler works on."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    logger.error("%s: %s at %s:%s", what, type(error).__name__, where.filename, where.lineno)
