"""Listening sockets around a handler, on uvicorn's protocol, in the running event loop.

uvicorn's own server is not used: it takes over signals, ends the process when a socket is taken, and knows one socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import resource
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Self

from attestack_common.errors import ConfigError
from attestack_common.http_server.application import asgi_app
from attestack_common.http_server.messages import Handler, Limits
from attestack_common.logs import get_logger

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

    from uvicorn.server import ServerState

_LOG: Final = get_logger("http")
_DEFAULT_LIMITS: Final = Limits()
_BACKLOG: Final = 2048
_LAST_SECONDS: Final = 1.0  # for tasks that were cancelled


class Server:
    """An HTTP or HTTPS server on one or more addresses."""

    def __init__(
        self,
        handler: Handler,
        *,
        sockets: Sequence[str],
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
        self._state: ServerState | None = None
        self._tick: asyncio.TimerHandle | None = None
        self._stopped = asyncio.Event()

    async def start(self) -> list[str]:
        """Bind all addresses and serve; port 0 takes a free port. Raises ConfigError."""
        from uvicorn.config import Config  # noqa: PLC0415  # costs as much as the rest of a small program
        from uvicorn.server import ServerState  # noqa: PLC0415

        from attestack_common.http_server.protocol import EdgeProtocol  # noqa: PLC0415

        loop = asyncio.get_running_loop()
        limits = replace(self._limits, max_connections=_connections(self._limits.max_connections))
        config = Config(
            self._application(limits),
            http=EdgeProtocol,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
        )
        config.load()
        state = ServerState()
        with contextlib.ExitStack() as opened:
            bound = [opened.enter_context(_bind(address)) for address in self._sockets]
            for listener in bound:
                self._listeners.append(
                    await loop.create_server(
                        lambda: EdgeProtocol(config, state, limits, loop),
                        sock=listener,
                        ssl=self._tls,
                        ssl_handshake_timeout=limits.head_seconds if self._tls else None,
                        backlog=_BACKLOG,
                    )
                )
            self.addresses = [_name(listener) for listener in bound]
            opened.pop_all()
        self._state = state
        self._update_date(state)
        _LOG.info("listening", addresses=", ".join(self.addresses), tls=self._tls is not None)
        return self.addresses

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
        for connection in list(state.connections):
            connection.shutdown()
        if state.tasks:
            await asyncio.wait(set(state.tasks), timeout=grace_seconds)
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

    def _application(self, limits: Limits) -> Any:  # noqa: ANN401  # uvicorn's types of ASGI are its own
        inner = asgi_app(self._handler, limits)

        async def application(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401
            with contextlib.suppress(asyncio.CancelledError):  # `stop` has closed the connection
                await inner(scope, receive, send)

        return application

    def _update_date(self, state: ServerState) -> None:
        from email.utils import formatdate  # noqa: PLC0415  # uvicorn has loaded it already

        state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
        self._tick = asyncio.get_running_loop().call_later(1.0, self._update_date, state)


def _connections(wanted: int) -> int:
    """Leave a quarter of the file descriptors to everything that is not a connection."""
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return wanted if descriptors == resource.RLIM_INFINITY else max(1, min(wanted, descriptors * 3 // 4))


def _bind(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    family = socket.AF_INET6 if bracketed else socket.AF_INET
    try:
        socket.inet_pton(family, host[1:-1] if bracketed else host)
    except OSError:
        host = ""
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:  # noqa: PLR2004  # the last port
        raise ConfigError(
            f"{address!r} is not an address to listen on",
            code="LISTEN-ADDRESS",
            advice="write IP:PORT, for example 127.0.0.1:8080 or [::1]:8080",
        )
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if bracketed:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host[1:-1] if bracketed else host, int(port)))
    except OSError as error:
        listener.close()
        taken = error.errno == errno.EADDRINUSE
        raise ConfigError(
            f"cannot listen on {address}: {error.strerror}",
            code="LISTEN",
            advice="another program has this port: stop it, or choose another" if taken else "",
        ) from None
    listener.setblocking(False)  # noqa: FBT003  # the name of the method says what it is
    return listener


def _name(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
