"""What both ends of a connection do: cut the stream into frames, and hold back when the peer is slow.

Fairness: after FRAMES_PER_TURN frames of one connection the event loop gets to see the others.

Slow peers: one that does not read what was written to it has a time limit to catch up, one that has begun a frame has
FRAME_SECONDS for the rest of it; then the connection is aborted. So no connection holds its memory for ever.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, cast

from ttrpc_asyncio.frames import FrameDecoder

if TYPE_CHECKING:
    from ttrpc_asyncio.frames import Frame

FRAMES_PER_TURN: Final = 64
FRAME_SECONDS: Final = 60.0
"""How long a frame may take from its first byte to its last."""

logger = logging.getLogger("ttrpc_asyncio")


class FrameProtocol(asyncio.Protocol):
    """One connection. Subclasses say what a frame means, and what the end of the connection means."""

    transport: asyncio.Transport

    def __init__(self, *, max_message: int, drain_seconds: float, holds_back: bool) -> None:
        """Make the protocol of one connection.

        Args:
            max_message: how long a payload may be, in bytes.
            drain_seconds: how long the peer may read nothing.
            holds_back: whether no frame is taken while the peer does not read. For one end only: two that wait for
                each other to read are stuck.
        """
        self.max_message = max_message
        self.closed = False
        self.loop = asyncio.get_running_loop()
        self.writable = asyncio.Event()
        self.writable.set()
        self.lost: asyncio.Future[None] = self.loop.create_future()
        self._drain_seconds = drain_seconds
        self._holds_back = holds_back
        self._decoder = FrameDecoder(max_message)
        self._drain_timer: asyncio.TimerHandle | None = None
        self._frame_timer: asyncio.TimerHandle | None = None
        self._backlog = False
        self._turn_is_due = False

    def frame_received(self, frame: Frame) -> None:
        """Take one frame, complete or skipped."""
        raise NotImplementedError

    def connection_ended(self) -> None:
        """Take note that no frame will come any more. May be called twice."""
        raise NotImplementedError

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take a chunk of the stream."""
        self._decoder.feed(data)
        if not self._backlog:
            self._take_frames()

    def eof_received(self) -> None:
        """End the connection: a peer that sends no more is taken to be gone, as the Rust crate does."""
        self.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # how it ended makes no difference
        """Let go whoever waits to write."""
        self.closed = True
        self.writable.set()
        self._stop_timer()
        self._stop_frame_timer()
        self.connection_ended()
        self.lost.set_result(None)

    def pause_writing(self) -> None:
        """Start the time limit of a peer that does not read."""
        self.writable.clear()
        self._start_timer()

    def resume_writing(self) -> None:
        """Take note that the peer has caught up."""
        self.writable.set()
        if not self.transport.is_closing():
            self._stop_timer()
        if self._backlog:
            self._take_turn_soon()

    def write(self, data: bytes) -> bool:
        """Write a whole frame; say whether the connection still stood afterwards."""
        if self.closed or self.transport.is_closing():
            return False
        self.transport.write(data)
        return not self.transport.is_closing()

    def close(self) -> None:
        """End the connection when what was written is read, or when the time limit for that is over."""
        if not self.closed and not self.transport.is_closing():
            self._start_timer()
            self.transport.close()
        self.connection_ended()

    def _take_frames(self) -> None:
        self._turn_is_due = False
        for _ in range(FRAMES_PER_TURN):
            if self.closed or self.transport.is_closing():
                return
            if self._holds_back and not self.writable.is_set():
                self._set_backlog(backlog=True)
                return
            frame = self._decoder.next_frame()
            if frame is None:
                self._start_frame_timer()
                self._set_backlog(backlog=False)
                return
            self._stop_frame_timer()
            self.frame_received(frame)
        self._set_backlog(backlog=True)
        self._take_turn_soon()

    def _take_turn_soon(self) -> None:
        if not self._turn_is_due:
            self._turn_is_due = True
            self.loop.call_soon(self._take_frames)

    def _set_backlog(self, *, backlog: bool) -> None:
        if backlog == self._backlog or self.closed or self.transport.is_closing():
            return
        self._backlog = backlog
        if backlog:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def _start_timer(self) -> None:
        self._stop_timer()
        self._drain_timer = self.loop.call_later(self._drain_seconds, self._give_up)

    def _stop_timer(self) -> None:
        if self._drain_timer is not None:
            self._drain_timer.cancel()
            self._drain_timer = None

    def _start_frame_timer(self) -> None:
        if self._frame_timer is None and self._decoder.in_a_frame:
            self._frame_timer = self.loop.call_later(FRAME_SECONDS, self._give_up_on_frame)

    def _stop_frame_timer(self) -> None:
        if self._frame_timer is not None:
            self._frame_timer.cancel()
            self._frame_timer = None

    def _give_up_on_frame(self) -> None:
        logger.warning("a peer did not complete a frame in %g s: connection aborted", FRAME_SECONDS)
        self.transport.abort()

    def _give_up(self) -> None:
        unread = self.transport.get_write_buffer_size()
        logger.warning("a peer left %d bytes unread for %g s: connection aborted", unread, self._drain_seconds)
        self.transport.abort()
