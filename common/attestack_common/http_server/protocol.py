"""HTTP/1.1 on one connection: in which order requests are answered, how long a peer may take, how a connection ends.

    head    within `head_seconds`, else the connection closes
    body    within `body_seconds`, else 408
    answer  a peer that does not read it for `write_seconds` is cut off
    queue   at most 16 pipelined requests wait, as in the Rust services, else 400

What a request is, and which bounds it has, says `reading`.

A handler is called when its request is whole, one at a time, in a task of its own. While it runs, no more is kept of
what the peer sends than what one read brought. A peer that goes away does not end it.

A refusal while an earlier request is being answered lets that answer end first, then closes. After a refusal the rest
of what the peer sends is drained for `linger_seconds` without being parsed: closing at once would reset the connection
before the peer has read why.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from attestack_common.http_server.alarm import Alarm
from attestack_common.http_server.answering import answer, encode, encode_answer, refusal_response
from attestack_common.http_server.errors import BodyTimeError, BusyError, RefusedError, SyntaxRefusedError
from attestack_common.http_server.reading import IN_BODY, Phase, RequestReader, WholeRequest
from attestack_common.http_server.transport import GentleTransport
from attestack_common.logs import get_logger

if TYPE_CHECKING:
    from attestack_common.http_server.messages import Handler, Limits, Response

_LOG: Final = get_logger("http")
_MAX_PIPELINED: Final = 16
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(slots=True)
class Shared:
    """What the connections of one server have in common."""

    handler: Handler
    limits: Limits
    loop: asyncio.AbstractEventLoop
    date: bytes = b""
    """The field `date` as a whole line."""
    connections: set[EdgeProtocol] = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    stopping: bool = False
    """Takes no more connections."""


class EdgeProtocol(RequestReader, asyncio.Protocol):
    """One connection of a `Server`."""

    transport: GentleTransport

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared.limits)
        self._shared = shared
        self._alarm = Alarm(shared.loop, self._deadline_passed)
        self._alarm_phase: Phase | None = None
        """What the alarm is set for."""
        self._running: WholeRequest | None = None
        self._waiting: deque[WholeRequest] = deque()
        self._reading_paused = False
        self._written: asyncio.Future[None] | None = None
        """There while the peer does not read; done when it has read."""
        self._unread: asyncio.TimerHandle | None = None
        self._closing = False
        """The connection closes when all requests that came are answered."""
        self._lost = False

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # it is of a stream
        """Take the connection, or say that there are too many."""
        self.transport = GentleTransport(transport, self._ends_gently, self.limits.write_seconds)
        peer = transport.get_extra_info("peername")
        self.client = str(peer[0]) if isinstance(peer, tuple) and peer else ""
        connections = self._shared.connections
        connections.add(self)
        if self._shared.stopping:  # its handshake was not over when the listener was closed
            self.phase = Phase.ENDED
            self.transport.abort()
        elif len(connections) > self.limits.max_connections:
            self._refuse(BusyError(f"more than {self.limits.max_connections} connections"))
        else:
            self._watch()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        """Forget the connection. A handler that runs for it goes on."""
        self._shared.connections.discard(self)
        self._lost = True
        self.end_reading()
        self._waiting.clear()
        self._alarm.end()
        self.resume_writing()
        self.transport.abort()

    def close_when_answered(self) -> None:
        """Close once the requests whose heads came are answered; at once when there is none."""
        if self._running is None and self.phase not in IN_BODY:
            self.transport.close()
        else:
            self._closing = True

    def owes(self) -> bool:
        """Whether an answer is still to be made, or to be read by the peer."""
        awaited = self._closing and self.phase in IN_BODY
        return awaited or self._running is not None or self.transport.get_write_buffer_size() > 0

    def pause_writing(self) -> None:
        """Wait for the peer to read, but not for ever."""
        self._written = self._shared.loop.create_future()
        self._unread = self._shared.loop.call_later(self.limits.write_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: the peer has read, or has gone."""
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        if self._written is not None:
            if not self._written.done():  # cancelled with the task that waits for it
                self._written.set_result(None)
            self._written = None

    def data_received(self, data: bytes) -> None:
        """Read what came."""
        try:
            self.read(data)
        except RefusedError as refusal:
            self._refuse(refusal)
        else:
            self._watch()

    def eof_received(self) -> bool:
        """Take the end of what the peer sends: whole requests are answered before the connection closes."""
        secure = self.transport.get_extra_info("sslcontext") is not None
        if secure or self._running is None or self.phase in IN_BODY:
            return False
        self.forget_head()  # nothing is left to drain
        self._alarm.clear()
        self._closing = True
        return True

    # Requests and answers

    def head_came(self) -> None:
        """Let a peer that waits for it send its body, if it is its turn."""
        if len(self._waiting) >= _MAX_PIPELINED:
            raise SyntaxRefusedError(f"more than {_MAX_PIPELINED} pipelined requests")
        if self._running is None and self.wants_continue():
            self.transport.write(_CONTINUE)

    def request_came(self, whole: WholeRequest) -> None:
        """Answer a request, or let it wait for its turn."""
        if self._running is None:
            self._start(whole)
        else:
            self._waiting.append(whole)

    def _start(self, whole: WholeRequest) -> None:
        self._running = whole
        shared = self._shared
        shared.tasks.add(shared.loop.create_task(self._serve(whole)))

    async def _serve(self, whole: WholeRequest) -> None:
        shared = self._shared
        try:
            response = await answer(shared.handler, whole.request, shared.limits, whole.content_encoding)
            while self._written is not None:
                await self._written
            if not self._lost:
                self._send(whole, response)
        except asyncio.CancelledError:
            pass  # `Server.stop` waits no longer
        finally:
            shared.tasks.discard(asyncio.current_task())
            if self._running is whole:  # and gets no answer
                self.transport.abort()

    def _send(self, whole: WholeRequest, response: Response) -> None:
        last = self._closing and not self._waiting
        close = last or response.close or not whole.keep_alive
        self.transport.write(encode_answer(whole.request, response, self._shared.date, close=close))
        self._running = None
        if close:
            self.transport.close()
        elif self._waiting:
            self._start(self._waiting.popleft())
        else:
            self._go_on()

    def _go_on(self) -> None:
        """Read on behind an answer; the time of what comes begins now."""
        if self._reading_paused:
            self._reading_paused = False
            self.transport.resume_reading()
        if self.phase is Phase.HEAD and not self.in_head():
            self.phase = Phase.IDLE
        elif self.phase in IN_BODY and self.wants_continue():
            self.transport.write(_CONTINUE)
        self._watch()

    def _refuse(self, refusal: RefusedError) -> None:
        place = self.place()
        _LOG.info("request refused", error=refusal, client=self.client, **place)
        self.phase = Phase.ENDED
        self._alarm.clear()
        if self._running is None:
            bare = place.get("method") == "HEAD"
            self.transport.write(encode(refusal_response(refusal), self._shared.date, close=True, without_body=bare))
            self.transport.close()
        else:  # an earlier request: its answer comes first
            self._waiting.clear()
            self._closing = True

    def _ends_gently(self) -> float:
        """Tell the closing transport how many seconds to drain first."""
        drains = self._reading_paused or self.phase not in {Phase.IDLE, Phase.HEAD} or self.in_head()
        self.phase = Phase.ENDED
        self._alarm.clear()
        if self._reading_paused:
            self.transport.resume_reading()
        return self.limits.linger_seconds if drains else 0.0

    # Time

    def _watch(self) -> None:
        """Set the deadline of what is incomplete; while a request is answered there is none."""
        phase = self.phase
        if phase is Phase.ENDED:
            self._alarm.clear()
        elif self._running is not None:
            self._alarm.clear()
            self._alarm_phase = None
            if (self._waiting or phase in IN_BODY or self.in_head()) and not self._reading_paused:
                self._reading_paused = True
                self.transport.pause_reading()
        elif self._alarm_phase is not phase:
            self._alarm_phase = phase
            self._alarm.set(self._seconds(phase))

    def _seconds(self, phase: Phase) -> float:
        if phase is Phase.IDLE:
            return self.limits.keep_alive_seconds
        return self.limits.head_seconds if phase is Phase.HEAD else self.limits.body_seconds

    def _deadline_passed(self) -> None:
        if self.phase is Phase.IDLE:
            self.transport.close()
        elif self.phase is Phase.HEAD:
            _LOG.debug("closed: no whole head in time", client=self.client)
            self.phase = Phase.ENDED
            self.transport.abort()
        else:
            self._refuse(BodyTimeError(f"no whole body within {self.limits.body_seconds} seconds"))
