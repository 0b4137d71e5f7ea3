"""One port for gRPC and HTTP/1.1: each connection is accepted here, and told by its first bytes.

    PRI * HTTP/2.0 ...    HTTP/2 (RFC 9113 section 3.4): spliced, byte for byte, to the socket that grpcio listens on
    anything else         HTTP/1.1: given to the HTTP edge, or closed where there is none

Under TLS it ends here. A client that offers `http/1.1` by ALPN gets it, whatever else it offers: those are browsers and
tools that fetch documents; clients of gRPC offer `h2` alone.

What is read from one side and not yet written to the other is bounded: a side that does not read stops the other.
Peers that are gone, or never read, are found out by the pings of grpcio's core.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final, cast

from attestack_common.http_server import Server
from attestack_common.listening import bind, connections, name_of
from attestack_common.logs import get_logger

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    from attestack_common.grpc_edge.messages import Limits
    from attestack_common.http_server import Handler

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
LAST_SECONDS: Final = 5.0
"""How long a peer may take to read what is left when its connection ends."""

_LOG: Final = get_logger("rpc")
_BACKLOG: Final = 2048
_SPLICE_SECONDS: Final = 5.0
_DESCRIPTORS: Final = 3  # the peer's socket, and both ends of the one to grpcio


class SharedPort:
    """The listening socket of a server, and the connections that it has accepted."""

    def __init__(self, address: str, *, http: Handler | None, tls: ssl.SSLContext | None, limits: Limits) -> None:
        self.address = ""
        """The address that is bound, with its real port; empty until `start`."""
        self._wanted = address
        self._http = Server(http, sockets=[]) if http is not None else None
        self._tls = tls
        self._limits = limits
        self._max_connections = connections(limits.max_connections, descriptors_each=_DESCRIPTORS)
        self._listener: asyncio.AbstractServer | None = None
        self._open: set[_Accepted] = set()

    async def start(self, target: Path) -> str:
        """Listen, and splice to the socket at `target`; return the address. Raises ConfigError."""
        loop = asyncio.get_running_loop()
        if self._http is not None:
            await self._http.start()
        if self._tls is not None:
            self._tls.set_alpn_protocols(["http/1.1", "h2"] if self._http is not None else ["h2"])
        with contextlib.ExitStack() as opened:
            bound = opened.enter_context(bind(self._wanted))
            self._listener = await loop.create_server(
                lambda: _Accepted(self, target),
                sock=bound,
                ssl=self._tls,
                ssl_handshake_timeout=self._limits.preface_seconds if self._tls is not None else None,
                backlog=_BACKLOG,
            )
            self.address = name_of(bound)
            opened.pop_all()
        return self.address

    def close(self) -> None:
        """Take no more connections."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    async def stop(self, grace_seconds: float) -> None:
        """End what is left."""
        self.close()
        if self._http is not None:
            await self._http.stop(grace_seconds)
        for connection in list(self._open):
            connection.abort()
        self._open.clear()

    # What connections ask for

    def admit(self, connection: _Accepted) -> bool:
        """Count a connection; say whether there is room for it."""
        if len(self._open) >= self._max_connections:
            _LOG.warning("a connection is refused", open=self._max_connections)
            return False
        self._open.add(connection)
        return True

    def forget(self, connection: _Accepted) -> None:
        """Count a connection no more."""
        self._open.discard(connection)

    @property
    def preface_seconds(self) -> float:
        """How long a connection may take to say what it speaks."""
        return self._limits.preface_seconds

    def http_protocol(self) -> asyncio.Protocol | None:
        """Return the protocol of an HTTP/1.1 connection; None where none is served."""
        return None if self._http is None else self._http.protocol()


class _Accepted(asyncio.Protocol):
    """A connection from outside, until it is known what it speaks, and the outer half of a splice from then on."""

    def __init__(self, port: SharedPort, target: Path) -> None:
        self._port = port
        self._target = target
        self._seen = b""
        self._transport: asyncio.Transport | None = None
        self._inner: _Inner | None = None
        self._splicing: asyncio.Task[None] | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, if there is room, and wait for its first bytes."""
        self._transport = cast("asyncio.Transport", transport)
        if not self._port.admit(self):
            self._transport.abort()
            return
        self._deadline = asyncio.get_running_loop().call_later(self._port.preface_seconds, self.abort)

    def data_received(self, data: bytes) -> None:
        """Pass bytes on, or collect them until it is known what is spoken."""
        if self._inner is not None:
            self._inner.send(data)
            return
        self._seen += data
        if self._splicing is not None:
            return
        known = len(self._seen) >= len(PREFACE)
        if known and self._seen.startswith(PREFACE):
            self._spoken()
            self._require().pause_reading()
            self._splicing = asyncio.get_running_loop().create_task(self._splice())
        elif not PREFACE.startswith(self._seen[: len(PREFACE)]):
            self._spoken()
            self._hand_over()

    def eof_received(self) -> bool:
        """Pass the end on. A connection that ends before it has said what it speaks is closed."""
        if self._inner is None:
            return False
        self._inner.end()
        return self._require().can_write_eof()  # TLS has no half of a connection

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        """End the other half at once: grpcio may be waiting for answers to be read, and not read itself."""
        self._spoken()
        self._port.forget(self)
        if self._splicing is not None:
            self._splicing.cancel()
        if self._inner is not None:
            self._inner.abort()

    def pause_writing(self) -> None:
        """Read no more from grpcio: the peer does not read."""
        if self._inner is not None:
            self._inner.pause()

    def resume_writing(self) -> None:
        """Read from grpcio again."""
        if self._inner is not None:
            self._inner.resume()

    def abort(self) -> None:
        """End the connection at once."""
        self._require().abort()

    def _spoken(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _hand_over(self) -> None:
        transport = self._require()
        protocol = self._port.http_protocol()
        if protocol is None:
            transport.close()
            return
        self._port.forget(self)  # the HTTP edge counts its own
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(self._seen)

    async def _splice(self) -> None:
        transport = self._require()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_SPLICE_SECONDS):
                _, inner = await loop.create_unix_connection(lambda: _Inner(transport), str(self._target))
        except OSError as error:  # TimeoutError is one
            _LOG.error("a connection cannot be passed on", error=error)
            transport.abort()
            return
        inner.send(self._seen)
        self._seen, self._inner = b"", inner
        transport.resume_reading()

    def _require(self) -> asyncio.Transport:
        assert self._transport is not None  # noqa: S101  # asyncio calls connection_made first
        return self._transport


class _Inner(asyncio.Protocol):
    """The half of a splice that ends at grpcio, which never ends one direction alone. `outer` is the other half's."""

    def __init__(self, outer: asyncio.Transport) -> None:
        self._outer = outer
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._outer.write(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        self._outer.close()
        if self._outer.get_write_buffer_size():  # the peer does not read, and may never
            asyncio.get_running_loop().call_later(LAST_SECONDS, self._outer.abort)

    def pause_writing(self) -> None:
        self._outer.pause_reading()

    def resume_writing(self) -> None:
        self._outer.resume_reading()

    def send(self, data: bytes) -> None:
        self._transport.write(data)

    def end(self) -> None:
        self._transport.write_eof()

    def abort(self) -> None:
        self._transport.abort()

    def pause(self) -> None:
        self._transport.pause_reading()

    def resume(self) -> None:
        self._transport.resume_reading()
