"""A server on loopback that gives each file as a script says, also as no honest server would."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    Answer = bytes | Callable[["Request"], bytes]
    """What is sent before the connection is closed."""

SILENCE: Final = b""
"""The answer of a server that takes the request and never says anything."""


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for; names of header fields in lower case."""

    path: str
    headers: dict[str, str]

    @property
    def range(self) -> str | None:
        return self.headers.get("range")


def whole(data: bytes, *fields: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """An answer with a body, whose length may be a lie."""
    head = [f"HTTP/1.1 {status}", f"content-length: {len(data) if length is None else length}", *fields]
    return "\r\n".join([*head, "connection: close", "", ""]).encode() + data


def rest_of(data: bytes) -> Callable[[Request], bytes]:
    """What a server answers that can go on from a byte."""

    def answer(request: Request) -> bytes:
        if request.range is None:
            return whole(data)
        start = int(request.range.removeprefix("bytes=").removesuffix("-"))
        content_range = f"content-range: bytes {start}-{len(data) - 1}/{len(data)}"
        return whole(data[start:], content_range, status="206 Partial Content")

    return answer


def moved(location: str) -> bytes:
    """A redirect."""
    return whole(b"", f"location: {location}", status="302 Found")


@dataclass(slots=True)
class ScriptedServer:
    """Gives the answers of a path one after the other; the last one again and again."""

    answers: dict[str, list[Answer]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    together: asyncio.Barrier | None = None
    """Where answers wait for one another."""
    open: int = 0
    most_open: int = 0
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def base(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            request = _parsed(await reader.readuntil(b"\r\n\r\n"))
            self.requests.append(request)
            script = self.answers.get(request.path, [whole(b"", status="404 Not Found")])
            answer = script.pop(0) if len(script) > 1 else script[0]
            data = answer if isinstance(answer, bytes) else answer(request)
            if data == SILENCE:
                await asyncio.Event().wait()
            if self.together is not None:
                await self.together.wait()
            writer.write(data)
            with suppress(ConnectionError):
                await writer.drain()
        finally:
            self.open -= 1
            writer.close()


def _parsed(head: bytes) -> Request:
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    fields = (line.partition(": ") for line in lines)
    return Request(first.split(" ")[1], {name.lower(): value for name, _, value in fields})
