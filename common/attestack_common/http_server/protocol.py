"""HTTP/1.1 on one connection: uvicorn's protocol with the bounds that it lacks.

    head    at most `head_bytes` and `head_fields`, else 431; within `head_seconds`, else the connection closes
    body    within `body_seconds`, else 408; trailer fields are dropped; bytes of a chunked body that carry nothing
            (extensions, trailers) are bounded too
    answer  a peer that does not read it for `write_seconds` is cut off
    syntax  llhttp in its strict mode; besides, `transfer-encoding` must be exactly `chunked` and must not stand beside
            `content-length` (RFC 9112 section 6.1), else 400
    queue   at most 16 pipelined requests wait, as in the Rust services

A refusal while an earlier request is being answered lets that answer end first, then closes. After a refusal the rest
of what the peer sends is drained for `linger_seconds` without being parsed: closing at once would reset the connection
before the peer has read why.

`Upgrade` is ignored (RFC 9110 section 7.8). The parser ends a message at the head of a request that asks for it, so its
body is taken by length here; the connection closes after the answer, and no byte behind it is read as a request.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final, cast

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from attestack_common.http_server.errors import (
    BodyTimeError,
    BusyError,
    HeadError,
    RefusedError,
    SyntaxRefusedError,
)
from attestack_common.http_server.transport import GentleTransport
from attestack_common.logs import get_logger

if TYPE_CHECKING:
    import asyncio

    from uvicorn.config import Config
    from uvicorn.server import ServerState

    from attestack_common.http_server.messages import Limits

_LOG: Final = get_logger("http")
_VERSIONS: Final = frozenset({"1.0", "1.1"})  # the parser takes 0.9 and 2.0 as well
_MAX_PIPELINED: Final = 16
_MAX_BARREN_BYTES: Final = 64 * 1024


class _Phase(Enum):
    """What the next byte belongs to."""

    HEAD = auto()
    BODY = auto()
    UPGRADE_BODY = auto()
    ENDED = auto()


class EdgeProtocol(HttpToolsProtocol):
    """One connection of a `Server`."""

    def __init__(
        self, config: Config, server_state: ServerState, limits: Limits, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(config, server_state, {}, loop)
        self.timeout_keep_alive = cast("int", limits.keep_alive_seconds)  # the loop takes fractions as well
        self._limits = limits
        self._phase = _Phase.HEAD
        self._running: RequestResponseCycle | None = None
        self._heads = 0
        self._head_bytes = 0
        self._barren_bytes = 0
        self._carried = False
        self._framing: bytes | None = None
        self._content_length = 0
        self._upgrade_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._deadline_phase = _Phase.HEAD

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Take the connection, or say that there are too many."""
        super().connection_made(GentleTransport(transport, self._ends_gently, self._limits.write_seconds))
        if len(self.connections) > self._limits.max_connections:
            self._refuse(BusyError(f"more than {self._limits.max_connections} connections"))
        else:
            self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._phase = _Phase.ENDED
        self._cancel_deadline()
        self._unset_keepalive_if_required()
        self.resume_writing()
        self.transport.abort()
        super().connection_lost(exc)
        self.pipeline.clear()

    def pause_writing(self) -> None:
        """Wait for the peer to read, but not for ever."""
        super().pause_writing()
        self._unread = self.loop.call_later(self._limits.write_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: the peer has read."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def data_received(self, data: bytes) -> None:
        """Parse what came; never more than the rest of the head's bound at once."""
        self._unset_keepalive_if_required()
        try:
            while data and self._phase is not _Phase.ENDED:
                piece = data
                if self._phase is _Phase.HEAD:
                    piece = data[: self._head_room()]
                self._take(piece)
                data = data[len(piece) :]
        except RefusedError as refusal:
            self._refuse(refusal)
        else:
            self._watch()

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn's always closes
        """Take the end of what the peer sends: whole requests are answered before the connection closes."""
        if self.scheme == "https" or not self._answering() or self._phase in {_Phase.BODY, _Phase.UPGRADE_BODY}:
            return False
        self._cancel_deadline()
        self._phase, self._head_bytes = _Phase.HEAD, 0  # nothing is left to drain
        self.cycle.keep_alive = False
        return True

    def _take(self, piece: bytes) -> None:
        if self._phase is _Phase.UPGRADE_BODY:
            self._take_upgrade_body(piece)
            return
        heads, before = self._heads, self._phase
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            self._take_upgrade_body(piece[upgrade.args[0] :])
            return
        except httptools.HttpParserError as error:
            if isinstance(error.__context__, RefusedError):
                raise error.__context__ from None
            raise SyntaxRefusedError(str(error)) from None
        if self._phase is _Phase.HEAD:
            # bytes of a piece in which another message ended are not counted: the bound holds up to one read more
            of_this_head = before is _Phase.HEAD and heads == self._heads
            self._head_bytes = self._head_bytes + len(piece) if of_this_head else 0
        elif self._carried or heads != self._heads:  # a piece that ended a head may be all head, and long
            self._barren_bytes, self._carried = 0, False
        else:
            self._barren_bytes += len(piece)
            if self._barren_bytes > _MAX_BARREN_BYTES:
                raise SyntaxRefusedError("a chunked body with too much beside its data")

    def _head_room(self) -> int:
        room = self._limits.head_bytes - self._head_bytes
        if room <= 0:
            raise HeadError(f"the head is longer than {self._limits.head_bytes} bytes")
        return room

    # What the parser reports

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        self._framing = None
        self._content_length = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep one field of the head, within its bounds."""
        if self._phase is not _Phase.HEAD:
            return  # a trailer field: nobody may take it for a field of the head
        if len(self.headers) >= self._limits.head_fields:
            raise HeadError(f"the head has more than {self._limits.head_fields} fields")
        super().on_header(name, value)
        name = self.headers[-1][0]
        if name == b"content-length" or name == b"transfer-encoding":  # noqa: PLR1714  # two comparisons cost least
            self._check_framing(name, value)

    def _check_framing(self, name: bytes, value: bytes) -> None:
        if self._framing is not None:
            raise SyntaxRefusedError("the length of the body is given twice")
        self._framing = name
        if name == b"content-length" and value.isdigit():
            self._content_length = int(value)
        elif value.lower() != b"chunked":
            raise SyntaxRefusedError("the length of the body is not given as a number or by `chunked`")

    def on_headers_complete(self) -> None:
        """End the head, and start or queue the request."""
        if len(self.pipeline) >= _MAX_PIPELINED:
            raise SyntaxRefusedError(f"more than {_MAX_PIPELINED} pipelined requests")
        if self.parser.get_http_version() not in _VERSIONS:
            raise SyntaxRefusedError("not HTTP/1.1")
        super().on_headers_complete()
        self._phase = _Phase.BODY
        self._heads += 1
        self._head_bytes = self._barren_bytes = 0
        if self.parser.should_upgrade():
            self._begin_upgrade()

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        self._carried = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the body."""
        if self._phase is _Phase.BODY:
            self._phase = _Phase.HEAD
            super().on_message_complete()

    def _begin_upgrade(self) -> None:
        if self._framing == b"transfer-encoding":
            raise SyntaxRefusedError("a chunked body beside `upgrade`")
        self.cycle.keep_alive = False
        self._upgrade_bytes = self._content_length
        self._phase = _Phase.UPGRADE_BODY

    def _take_upgrade_body(self, data: bytes) -> None:
        body = data[: self._upgrade_bytes]
        self._upgrade_bytes -= len(body)
        if body:
            super().on_body(body)
        if not self._upgrade_bytes:
            self._phase = _Phase.ENDED
            super().on_message_complete()

    # Requests and answers

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401  # as uvicorn has it
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """Go on to what waits behind the answer; its time begins now."""
        super().on_response_complete()
        if self._deadline is not None:
            self._set_deadline()

    def _answering(self) -> bool:
        return self._running is not None and not self._running.response_complete

    def _receiving(self) -> bool:
        """Whether the request that is being answered is the one whose body is still coming."""
        return self._running is self.cycle and self._phase in {_Phase.BODY, _Phase.UPGRADE_BODY}

    def _refuse(self, refusal: RefusedError) -> None:
        _LOG.info("request refused", error=refusal, client=self.client[0] if self.client else "")
        receiving, self._phase = self._receiving(), _Phase.ENDED
        self._cancel_deadline()
        running = self._running
        if running is not None and self._answering():
            if not receiving:  # an earlier request: its answer comes first
                running.keep_alive = False
                self.pipeline.clear()
                return
            running.disconnected = True
            running.message_event.set()
        self._write_refusal(refusal.status)
        self.transport.close()

    def _write_refusal(self, status: int) -> None:
        lines = [STATUS_LINE[status]]
        for name, value in self.server_state.default_headers:
            lines += [name, b": ", value, b"\r\n"]
        lines.append(b"content-length: 0\r\nconnection: close\r\n\r\n")
        self.transport.write(b"".join(lines))

    def _ends_gently(self) -> float:
        """Tell the closing transport how many seconds to drain first."""
        drains = self._phase is not _Phase.HEAD or self._head_bytes > 0
        self._phase = _Phase.ENDED
        self._cancel_deadline()
        self.flow.resume_reading()
        return self._limits.linger_seconds if drains else 0.0

    # Time

    def _watch(self) -> None:
        """Set the deadline of what is incomplete; a request that came in one piece never sets one."""
        if self._phase is _Phase.ENDED or (self._phase is _Phase.HEAD and not self._head_bytes and self._answering()):
            self._cancel_deadline()
        elif self._deadline is None or self._deadline_phase is not self._phase:
            self._set_deadline()

    def _set_deadline(self) -> None:
        self._cancel_deadline()
        head = self._phase is _Phase.HEAD
        seconds = self._limits.head_seconds if head else self._limits.body_seconds
        self._deadline = self.loop.call_later(seconds, self._deadline_passed)
        self._deadline_phase = self._phase

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _deadline_passed(self) -> None:
        self._deadline = None
        if self._answering() and not self._receiving():
            self._set_deadline()  # a pipelined request, whose bytes wait until the earlier one is answered
        elif self._phase is _Phase.HEAD:
            _LOG.debug("closed: no whole head in time", client=self.client[0] if self.client else "")
            self._phase = _Phase.ENDED
            self.transport.abort()
        else:
            self._refuse(BodyTimeError(f"no whole body within {self._limits.body_seconds} seconds"))
