"""The server: listens, keeps count of the connections, and stops in good order.

    async with Server([service]) as server:
        await server.start("unix:///run/agent.sock")
        await server.serve_forever()

Stopping: no connection is accepted any more and the socket's path is removed; calls in flight have `drain_seconds` to
end; those that remain are cancelled and have CANCEL_SECONDS to heed that; then the connections are closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING, Any, Final, Self

from ttrpc_asyncio.address import Address
from ttrpc_asyncio.connection import ServerConnection, ServerState
from ttrpc_asyncio.frames import MAX_MESSAGE
from ttrpc_asyncio.protocol import logger
from ttrpc_asyncio.sockets import BACKLOG, SocketFile, listen_error, open_listener

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from ttrpc_asyncio.errors import StatusError
    from ttrpc_asyncio.service import Service

_OURS_TO_REMOVE: Final[dict[str, Any]] = {} if sys.version_info < (3, 13) else {"cleanup_socket": False}
"""Since Python 3.13 event loops remove the path of a unix socket. Ours is gone by then, and vsock has none."""

CANCEL_SECONDS: Final = 5.0
"""How long handlers that were cancelled may take to end, as in the Rust crate."""


class Server:
    """Serves services on one or more addresses. For one event loop."""

    def __init__(
        self,
        services: Iterable[Service],
        *,
        max_message: int = MAX_MESSAGE,
        max_connections: int = 256,
        max_streams_per_connection: int = 1024,
        drain_seconds: float = 10.0,
        error_text: Callable[[StatusError], str] | None = None,
    ) -> None:
        """Make a server that does not listen yet.

        Args:
            services: what is served; names must differ.
            max_message: how long a request or an answer may be, in bytes.
            max_connections: further ones are closed as they come.
            max_streams_per_connection: further calls of a client with so many in flight are refused.
            drain_seconds: how long a peer may leave its answers unread, and how long `stop` waits for calls to end.
            error_text: makes the message that an error travels with, for example one with `error.code` in it. It is
                asked for every status that leaves the server. None: `error.message` as it is.
        """
        table = [(service.name, service.methods) for service in services]
        if len(dict(table)) != len(table):
            raise ValueError("two services have the same name")
        self._state = ServerState(
            dict(table), max_message, max_connections, max_streams_per_connection, drain_seconds, error_text
        )
        self._listeners: list[tuple[asyncio.Server, SocketFile | None]] = []
        self._stopped = asyncio.Event()

    async def start(self, address: Address | str, *, mode: int | None = 0o600) -> Address:
        """Listen on an address; return it, with the port that the kernel chose if none was given.

        `mode` is the permissions of a unix socket in the file system; None leaves them to the umask.
        Raises AddressError.
        """
        where = Address.parse(address) if isinstance(address, str) else address
        self._state.stopping = False
        self._stopped.clear()
        sock, file = open_listener(where, mode)
        with contextlib.ExitStack() as undo:
            undo.callback(sock.close)
            if file is not None:
                undo.callback(file.remove)
            try:
                listener = await self._listen(sock, where)
                undo.callback(listener.close)
                if file is not None:
                    file.publish()
            except OSError as error:
                raise listen_error(where, error) from None
            undo.pop_all()
        self._listeners.append((listener, file))
        return where if where.scheme == "unix" else Address(where.scheme, where.host, sock.getsockname()[1])

    async def serve_forever(self) -> None:
        """Wait until `stop` has been called and is done. To stop by cancelling, use the server as a context manager."""
        await self._stopped.wait()

    async def stop(self) -> None:
        """Stop in good order, as the module describes. Calling it again does nothing."""
        self._state.stopping = True
        for listener, file in self._listeners:
            listener.close()
            if file is not None:
                file.remove()
        self._listeners.clear()
        if not await self._calls_end(self._state.drain_seconds):
            for connection in self._state.connections:
                connection.cancel_calls()
            if not await self._calls_end(CANCEL_SECONDS):
                logger.error("handlers ignore their cancellation and are left behind")
        await self._close_connections()
        self._stopped.set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _listen(self, sock: socket.socket, where: Address) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        if where.scheme == "tcp":
            return await loop.create_server(self._connection, sock=sock, backlog=BACKLOG)
        return await loop.create_unix_server(self._connection, sock=sock, backlog=BACKLOG, **_OURS_TO_REMOVE)

    def _connection(self) -> ServerConnection:
        return ServerConnection(self._state)

    async def _calls_end(self, seconds: float) -> bool:
        tasks = {task for connection in self._state.connections for task in connection.tasks}
        if not tasks:
            return True
        _, pending = await asyncio.wait(tasks, timeout=seconds)
        return not pending

    async def _close_connections(self) -> None:
        connections = list(self._state.connections)
        for connection in connections:
            connection.close()
        if connections:
            await asyncio.wait([connection.lost for connection in connections], timeout=self._state.drain_seconds)
