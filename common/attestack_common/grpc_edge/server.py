"""A gRPC server: methods from bytes to bytes behind one port, which HTTP/1.1 clients may share.

grpcio listens on a unix socket in a folder of this process's own; `shared_port` accepts the connections and splices
them to it. What bounds a call:

    connection   number and time (`shared_port`); streams per connection; pings, resets, frames and header fields by
                 grpcio's core, which ends a connection that breaks HTTP/2
    message      size, and time from the head to its end; compressed messages are not taken, as in the Rust services
    method       number running at once, and time

A method that fails otherwise than by a refusal is answered INTERNAL, and logged without its data.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from attestack_common.errors import ConfigError
from attestack_common.grpc_edge import loading
from attestack_common.grpc_edge.messages import Limits, Refusal, Service, Status, bounded_text
from attestack_common.grpc_edge.shared_port import SharedPort
from attestack_common.logs import get_logger

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Sequence

    from attestack_common.grpc_edge.messages import Method, StreamMethod
    from attestack_common.http_server import Handler

_LOG: Final = get_logger("rpc")
_DEFAULT_LIMITS: Final = Limits()
_LAST_SECONDS: Final = 2.0  # for what grpcio has to clean up
_MAX_SOCKET_PATH: Final = 107
"""Bytes of a unix socket's path (sun_path without its NUL)."""

_ALIVE: Final = (
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # stock attestation services ping their RVPS each 10 s, with or without a call
    ("grpc.http2.min_ping_interval_without_data_ms", 4_000),
    ("grpc.max_connection_idle_ms", 1_800_000),
)
_IDENTITY_ONLY: Final = (("grpc.compression_enabled_algorithms_bitset", 1),)
_SMALL_READS: Final = (("grpc.experimental.tcp_max_read_chunk_size", 65_536),)


class GrpcServer:
    """A server on one address, `IP:PORT`."""

    def __init__(
        self,
        services: Sequence[Service],
        *,
        address: str,
        http: Handler | None = None,
        tls: ssl.SSLContext | None = None,
        limits: Limits = _DEFAULT_LIMITS,
    ) -> None:
        """`http` answers HTTP/1.1 clients on the same port; without one their connections are closed."""
        self._services = services
        self._limits = limits
        self._port = SharedPort(address, http=http, tls=tls, limits=limits)
        self._folder = Path()
        self._grpc: Any = None
        self._server: Any = None
        self._running = 0
        self._watchers: set[asyncio.Task[Any]] = set()
        self._stopped = asyncio.Event()

    async def start(self) -> str:
        """Listen; return the address with its real port. Raises ConfigError."""
        grpc = self._grpc = loading.load()
        limits = self._limits
        options = [
            ("grpc.max_receive_message_length", limits.message_bytes),
            ("grpc.max_concurrent_streams", limits.streams),
            ("grpc.so_reuseport", 0),
            *_IDENTITY_ONLY,
            *_SMALL_READS,
            *_ALIVE,
        ]
        self._folder = Path(tempfile.mkdtemp(prefix="attestack-"))
        path = self._folder / "grpc"
        try:
            server = grpc.aio.server(options=options, maximum_concurrent_rpcs=limits.open_calls)
            server.add_generic_rpc_handlers([self._handlers(service) for service in self._services])
            _listen(server, path)
            await server.start()
            self._server = server
            address = await self._port.start(path)
        except BaseException:
            await self.stop(0)
            raise
        _LOG.info("listening", address=address, services=", ".join(service.name for service in self._services))
        return address

    async def stop(self, grace_seconds: float = 5.0) -> None:
        """Take no more connections, let running calls end for `grace_seconds`, then end them. Watchers end at once."""
        self._stopped.set()
        self._port.close()
        for watcher in list(self._watchers):
            watcher.cancel()
        if self._server is not None:
            server, self._server = self._server, None
            stopping = asyncio.ensure_future(server.stop(grace_seconds))
            await asyncio.wait({stopping}, timeout=grace_seconds)
            await self._port.stop(grace_seconds)  # grpcio would wait for peers that do not read their goodbye
            await asyncio.wait({stopping}, timeout=_LAST_SECONDS)
        await self._port.stop(0)
        shutil.rmtree(self._folder, ignore_errors=True)

    async def serve_forever(self) -> None:
        """Serve until `stop` is called or the task is cancelled; starts first if that has not been done."""
        if self._server is None:
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

    @property
    def address(self) -> str:
        """The address that is bound, with its real port; empty until `start`."""
        return self._port.address

    def _handlers(self, service: Service) -> Any:  # noqa: ANN401  # grpcio has no types
        grpc = self._grpc
        # in both forms the method itself asks for the message: it is awaited within a time
        handlers = {
            name: grpc.stream_unary_rpc_method_handler(self._unary(f"{service.name}/{name}", method))
            for name, method in service.methods.items()
        }
        for name, stream in service.streams.items():
            handlers[name] = grpc.stream_stream_rpc_method_handler(self._stream(f"{service.name}/{name}", stream))
        return grpc.method_handlers_generic_handler(service.name, handlers)

    def _unary(self, name: str, method: Method) -> Any:  # noqa: ANN401  # as grpcio takes it
        async def answer(_requests: object, context: Any) -> bytes:  # noqa: ANN401
            try:
                return await self._run(method, await self._message(context))
            except Exception as error:  # noqa: BLE001  # the last one to see it
                await self._end(name, context, error)
            raise AssertionError  # the call has ended

        return answer

    async def _run(self, method: Method, message: bytes) -> bytes:
        if self._running >= self._limits.running_calls:
            raise Refusal(Status.RESOURCE_EXHAUSTED, "too many calls at once")
        self._running += 1
        try:
            async with asyncio.timeout(self._limits.handler_seconds):
                return await method(message)
        finally:
            self._running -= 1

    def _stream(self, name: str, method: StreamMethod) -> Any:  # noqa: ANN401  # as grpcio takes it
        async def answer(_requests: object, context: Any) -> AsyncIterator[bytes]:  # noqa: ANN401
            try:
                message = await self._message(context)
                async with self._watching():
                    async for each in method(message):
                        yield each
            except Exception as error:  # noqa: BLE001  # the last one to see it
                await self._end(name, context, error)

        return answer

    @asynccontextmanager
    async def _watching(self) -> AsyncIterator[None]:
        """Count the task as a watcher, and end it with the server. Raises Refusal."""
        if len(self._watchers) >= self._limits.watchers:
            raise Refusal(Status.RESOURCE_EXHAUSTED, "too many watchers at once")
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # grpcio runs each call in a task
        self._watchers.add(task)
        try:
            yield
        except asyncio.CancelledError:
            if self._stopped.is_set():
                raise Refusal(Status.UNAVAILABLE, "the server ends") from None
            raise
        finally:
            self._watchers.discard(task)

    async def _message(self, context: Any) -> bytes:  # noqa: ANN401  # a context of grpcio
        """Wait for the message of a call. Raises Refusal."""
        try:
            async with asyncio.timeout(self._limits.message_seconds):
                message = await context.read()
        except TimeoutError:
            seconds = self._limits.message_seconds
            raise Refusal(Status.DEADLINE_EXCEEDED, f"no whole message within {seconds:g} s") from None
        if message is self._grpc.aio.EOF:
            raise Refusal(Status.INTERNAL, "Missing request message.")
        whole: bytes = message
        return whole

    async def _end(self, name: str, context: Any, error: Exception) -> None:  # noqa: ANN401
        """End a call with the status of what went wrong."""
        if isinstance(error, Refusal):
            refusal = error
        elif isinstance(error, TimeoutError):
            _LOG.warning("a method took too long", method=name, seconds=self._limits.handler_seconds)
            refusal = Refusal(Status.DEADLINE_EXCEEDED, f"no answer within {self._limits.handler_seconds:g} s")
        else:
            _LOG.error("a method failed", method=name, error=error)
            refusal = Refusal(Status.INTERNAL, "internal error [INTERNAL]")
        await context.abort(loading.code_of(refusal.status), bounded_text(refusal.text))


def _listen(server: Any, path: Path) -> None:  # noqa: ANN401  # a server of grpcio
    """Listen on a socket in a folder of our own. Raises ConfigError."""
    advice = "set TMPDIR to a folder with a short path, in which this user may write"
    if len(str(path).encode()) > _MAX_SOCKET_PATH:
        raise ConfigError(f"{path} is too long for a socket", code="GRPC-SOCKET", advice=advice)
    try:
        server.add_insecure_port(f"unix:{path}")
    except RuntimeError:
        raise ConfigError(f"cannot listen on {path}", code="GRPC-SOCKET", advice=advice) from None
