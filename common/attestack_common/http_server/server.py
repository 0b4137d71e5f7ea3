"""Listening sockets around a handler, in the running event loop."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Self

from attestack_common.http_server.messages import Handler, Limits
from attestack_common.listening import bind, connections, name_of
from attestack_common.logs import get_logger

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Sequence

    from attestack_common.http_server.protocol import Shared

_LOG: Final = get_logger("http")
_DEFAULT_LIMITS: Final = Limits()
_BACKLOG: Final = 2048
_LOOK_SECONDS: Final = 0.02
_LAST_SECONDS: Final = 1.0  # for tasks that were cancelled


class Server:
    """An HTTP or HTTPS server on one or more addresses; on none, it serves the connections that `protocol` is for.

    In place of an address `sockets` may have a socket that is bound already, as `listening.bind` makes it, and shared
    with other processes.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        sockets: Sequence[str | socket.socket],
        tls: ssl.SSLContext | None = None,
        limits: Limits = _DEFAULT_LIMITS,
    ) -> None:
        self.addresses: list[str] = []
        """The addresses that are bound, with real ports; empty until `start`."""
        self._handler = handler
        self._sockets = sockets
        self._tls = tls
        self._limits = limits
        self._listeners: list[asyncio.AbstractServer] = []
        self._state: Shared | None = None
        self._new_protocol: Callable[[], asyncio.Protocol] | None = None
        self._tick: asyncio.TimerHandle | None = None
        self._stopped = asyncio.Event()

    async def start(self) -> list[str]:
        """Bind all addresses and serve; port 0 takes a free port. Raises ConfigError."""
        from attestack_common.http_server.protocol import EdgeProtocol, Shared  # noqa: PLC0415  # loads the parser

        loop = asyncio.get_running_loop()
        limits = replace(self._limits, max_connections=connections(self._limits.max_connections))
        state = Shared(self._handler, limits, loop, _date())

        def new_protocol() -> EdgeProtocol:
            return EdgeProtocol(state)

        with contextlib.ExitStack() as opened:
            bound = [
                opened.enter_context(bind(address) if isinstance(address, str) else address.dup())
                for address in self._sockets
            ]
            for listener in bound:
                self._listeners.append(
                    await loop.create_server(
                        new_protocol,
                        sock=listener,
                        ssl=self._tls,
                        ssl_handshake_timeout=limits.head_seconds if self._tls else None,
                        backlog=_BACKLOG,
                    )
                )
            self.addresses = [name_of(listener) for listener in bound]
            opened.pop_all()
        self._state, self._new_protocol = state, new_protocol
        self._update_date(state)
        if bound:
            _LOG.info("listening", addresses=", ".join(self.addresses), tls=self._tls is not None)
        return self.addresses

    def protocol(self) -> asyncio.Protocol:
        """Return the protocol of a connection that somebody else accepted. Not before `start`."""
        assert self._new_protocol is not None  # noqa: S101  # a mistake of the caller
        return self._new_protocol()

    async def stop(self, grace_seconds: float = 5.0) -> None:
        """Take no more connections, let running requests end for `grace_seconds`, then end them."""
        self._stopped.set()
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        if self._tick is not None:
            self._tick.cancel()
        state = self._state
        if state is None:
            return
        state.stopping = True
        for connection in list(state.connections):
            connection.close_when_answered()
        await _let_end(state, grace_seconds)
        for connection in list(state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)
        left = set(state.tasks)
        for task in left:
            task.cancel()
        if left:
            _LOG.warning("requests ended unanswered", requests=len(left))
            await asyncio.wait(left, timeout=_LAST_SECONDS)

    async def serve_forever(self) -> None:
        """Serve until `stop` is called or the task is cancelled; starts first if that has not been done."""
        if self._state is None:
            await self.start()
        try:
            await self._stopped.wait()
        finally:
            await self.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _update_date(self, state: Shared) -> None:
        state.date = _date()
        self._tick = asyncio.get_running_loop().call_later(1.0, self._update_date, state)


async def _let_end(state: Shared, seconds: float) -> None:
    """Wait until nothing is answered any more, and what was answered is on its way."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while state.tasks or any(connection.owes() for connection in state.connections):
        left = until - loop.time()
        if left <= 0:
            return
        if state.tasks:  # more may follow them: of requests that wait, or whose body comes
            await asyncio.wait(set(state.tasks), timeout=left)
        else:
            await asyncio.sleep(min(left, _LOOK_SECONDS))


def _date() -> bytes:
    from email.utils import formatdate  # noqa: PLC0415  # loads much, which a program without a server spares

    return f"date: {formatdate(usegmt=True)}\r\n".encode("ascii")
