"""A small service to call, and a raw connection to its port."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

import grpc  # type: ignore[import-untyped]
import grpc.aio  # type: ignore[import-untyped]
from attestack_common.grpc_edge import GrpcServer, Limits, Refusal, Service, Status
from attestack_common.http_server import Request, Response

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

NAME: Final = "test.Echo"
ECHO: Final = f"/{NAME}/Echo"
WATCH: Final = f"/{NAME}/Watch"
WAIT: Final = 30.0


class Echo:
    """What the methods do is in the message."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.started = asyncio.Semaphore(0)

    async def echo(self, message: bytes) -> bytes:
        if message == b"refuse":
            raise Refusal(Status.ABORTED, "no (ask otherwise) [TEST]")
        if message == b"long":
            raise Refusal(Status.ABORTED, "ü" * 10_000 + " (ask otherwise) [TEST]")
        if message == b"fail":
            raise ValueError("the secret is 42")
        if message == b"big":
            return bytes(3_000_000)
        if message == b"wait":
            self.started.release()
            await self.go_on.wait()
        return message

    async def watch(self, message: bytes) -> AsyncIterator[bytes]:
        if message == b"refuse":
            raise Refusal(Status.NOT_FOUND, "no")
        for count in range(3):
            yield message + bytes([count])
        self.started.release()
        await self.go_on.wait()


async def page(request: Request) -> Response:
    return Response(200, f"{request.method} {request.path}".encode(), "text/plain")


@contextlib.asynccontextmanager
async def serving(
    *, http: bool = True, tls: ssl.SSLContext | None = None, **limits: Any
) -> AsyncIterator[tuple[GrpcServer, Echo]]:
    """A server with some limits; what still waits when the test is over is let go."""
    echo = Echo()
    service = Service(NAME, {"Echo": echo.echo}, {"Watch": echo.watch})
    server = GrpcServer([service], address="127.0.0.1:0", http=page if http else None, tls=tls, limits=Limits(**limits))
    await server.start()
    try:
        yield server, echo
    finally:
        echo.go_on.set()
        await server.stop(1)


@contextlib.asynccontextmanager
async def calling(server: GrpcServer, **options: Any) -> AsyncIterator[Any]:
    """A client of grpcio's own."""
    async with grpc.aio.insecure_channel(server.address, options=list(options.items())) as channel:
        yield channel


async def ask(channel: Any, message: bytes, method: str = ECHO, seconds: float = WAIT) -> tuple[str, Any]:
    """The name of the status, and the answer or the text."""
    try:
        return "OK", await channel.unary_unary(method)(message, timeout=seconds)
    except grpc.aio.AioRpcError as error:
        return error.code().name, error.details()


@contextlib.asynccontextmanager
async def connected(
    server: GrpcServer, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A raw connection."""
    host, _, port = server.address.rpartition(":")
    name = "localhost" if tls is not None else None
    reader, writer = await asyncio.open_connection(host, int(port), ssl=tls, server_hostname=name)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def rest(reader: asyncio.StreamReader) -> bytes:
    """Everything up to the end of the connection."""
    with contextlib.suppress(ConnectionResetError):
        return await asyncio.wait_for(reader.read(), WAIT)
    return b""
