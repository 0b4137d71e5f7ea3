"""A transport that closes gently: it half-closes, and drains what the peer still sends, before it closes.

A socket that is closed with unread bytes in it resets the connection, and the peer may lose the answer that told it
why.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class GentleTransport(asyncio.Transport):
    """Around the transport of a connection.

    `on_close` returns the seconds to drain for, 0 to close as soon as all is written; `write_seconds` is how long the
    peer may take to read what is not written yet, whichever is longer.
    """

    __slots__ = ("_closing", "_end", "_inner", "_on_close", "_write_seconds")

    def __init__(self, inner: asyncio.Transport, on_close: Callable[[], float], write_seconds: float) -> None:
        super().__init__()
        self._inner = inner
        self._on_close = on_close
        self._write_seconds = write_seconds
        self._closing = False
        self._end: asyncio.TimerHandle | None = None

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401  # as asyncio has it
        """Return what the inner transport knows."""
        return self._inner.get_extra_info(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write, or queue what cannot be written yet."""
        self._inner.write(data)

    def get_write_buffer_size(self) -> int:
        """Return how many bytes are not written yet."""
        return self._inner.get_write_buffer_size()

    def is_closing(self) -> bool:
        """Say whether nothing more is to be written."""
        return self._closing or self._inner.is_closing()

    def close(self) -> None:
        """Close once all is written and the peer has stopped sending, or the time to drain is over."""
        if self._closing:
            return
        self._closing = True
        seconds = self._on_close()
        if not seconds:
            if not self._inner.is_closing():  # a second time breaks asyncio's transport of TLS
                self._inner.close()
        elif self._inner.can_write_eof():
            try:
                self._inner.write_eof()
            except OSError:  # asyncio's: the peer has reset the connection
                self._inner.abort()
                return
        if self._inner.get_write_buffer_size():
            seconds = max(seconds, self._write_seconds)
        elif not seconds:
            if self._inner.can_write_eof():
                return
            seconds = self._write_seconds  # TLS does not tell what the socket has not taken yet
        self._end = asyncio.get_running_loop().call_later(seconds, self._inner.abort)

    def abort(self) -> None:
        """Close at once."""
        self._closing = True
        if self._end is not None:
            self._end.cancel()
        self._inner.abort()

    def pause_reading(self) -> None:
        """Stop reading."""
        self._inner.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        self._inner.resume_reading()
