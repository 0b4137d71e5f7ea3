"""A raw client and a server with short limits, for the tests of the HTTP edge."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from attestack_common.http_server import Handler, Limits, Request, Response, Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

WAIT: Final = 30.0
"""Seconds after which a test that waits has failed."""

PATIENT: Final = Limits(head_seconds=60, body_seconds=60, keep_alive_seconds=60, handler_seconds=60)


@dataclass(frozen=True)
class Answer:
    """One answer, as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @classmethod
    async def read(cls, reader: asyncio.StreamReader, start: bytes = b"", *, head_only: bool = False) -> Self:
        head = (start + await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        body = b"" if head_only else await reader.readexactly(int(headers["content-length"]))
        return cls(int(head[0].split()[1]), headers, body)


class Connection:
    """A connection that sends what it is told."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, *, head_only: bool = False) -> Answer:
        return await asyncio.wait_for(Answer.read(self.reader, head_only=head_only), WAIT)

    async def answer_after_continue(self) -> Answer:
        """The next answer that is not `100 Continue`."""
        start = await asyncio.wait_for(self.reader.readuntil(b"\r\n"), WAIT)
        if start == b"HTTP/1.1 100 Continue\r\n":
            assert await self.reader.readuntil(b"\r\n") == b"\r\n"
            return await self.answer()
        return await asyncio.wait_for(Answer.read(self.reader, start), WAIT)

    async def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        return await asyncio.wait_for(self.reader.read(), WAIT)

    async def ask(self, data: bytes) -> Answer:
        await self.send(data)
        return await self.answer()


@contextlib.asynccontextmanager
async def connected(server: Server, tls: ssl.SSLContext | None = None) -> AsyncIterator[Connection]:
    host, _, port = server.addresses[0].rpartition(":")
    reader, writer = await asyncio.open_connection(host.strip("[]"), int(port), ssl=tls)
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await writer.wait_closed()


def serving(
    handler: Handler,
    limits: Limits = PATIENT,
    *,
    sockets: Sequence[str] = ("127.0.0.1:0",),
    tls: ssl.SSLContext | None = None,
) -> Server:
    return Server(handler, sockets=sockets, tls=tls, limits=limits)


class Recorder:
    """A handler that keeps every request and answers with the size of its body."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    async def __call__(self, request: Request) -> Response:
        self.requests.append(request)
        return Response(200, b"%d bytes" % len(request.body), "text/plain")


async def ask_once(data: bytes, limits: Limits = PATIENT, handler: Handler | None = None) -> Answer:
    """Send to a server of its own, return the first answer."""
    async with serving(handler or Recorder(), limits) as server, connected(server) as connection:
        return await connection.ask(data)
