"""What the tests hold the transport against: frames packed by hand, envelopes by Google's protobuf, raw sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping
    from pathlib import Path

    from ttrpc_asyncio import CallContext, Handler

STRING: Final = descriptor_pb2.FieldDescriptorProto.TYPE_STRING
BYTES: Final = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
INT32: Final = descriptor_pb2.FieldDescriptorProto.TYPE_INT32
INT64: Final = descriptor_pb2.FieldDescriptorProto.TYPE_INT64
MESSAGE: Final = descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE

_FIELDS: Final[dict[str, list[tuple[str, Any, str]]]] = {
    "KeyValue": [("key", STRING, ""), ("value", STRING, "")],
    "Request": [
        ("service", STRING, ""),
        ("method", STRING, ""),
        ("payload", BYTES, ""),
        ("timeout_nano", INT64, ""),
        ("metadata", MESSAGE, "*KeyValue"),
    ],
    "Any": [("type_url", STRING, ""), ("value", BYTES, "")],
    "Status": [("code", INT32, ""), ("message", STRING, ""), ("details", MESSAGE, "*Any")],
    "Response": [("status", MESSAGE, "Status"), ("payload", BYTES, "")],
    "Ping": [("text", STRING, ""), ("inner", MESSAGE, "KeyValue")],
    "Pong": [("text", STRING, "")],
}


def _file() -> Any:
    """The envelope's messages, and a service to try, in a pool of their own."""
    file = descriptor_pb2.FileDescriptorProto(name="tried.proto", package="tried", syntax="proto3")
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for number, (field, kind, inner) in enumerate(fields, 1):
            label = message.field.add(name=field, number=number, type=kind)
            label.label = label.LABEL_REPEATED if inner.startswith("*") else label.LABEL_OPTIONAL
            if inner:
                label.type_name = f".tried.{inner.lstrip('*')}"
    service = file.service.add(name="PingService")
    for rpc in ("SendPing", "SendLater", "Send"):
        service.method.add(name=rpc, input_type=".tried.Ping", output_type=".tried.Pong")
    streaming = file.service.add(name="StreamService")
    streaming.method.add(name="Watch", input_type=".tried.Ping", output_type=".tried.Pong", server_streaming=True)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool.FindFileByName("tried.proto")


FILE: Final = _file()
PingService: Final = FILE.services_by_name["PingService"]
StreamService: Final = FILE.services_by_name["StreamService"]


def _class(name: str) -> Any:
    return message_factory.GetMessageClass(FILE.message_types_by_name[name])


RequestPb, ResponsePb, KeyValuePb, StatusPb, AnyPb, Ping, Pong = map(
    _class, ("Request", "Response", "KeyValue", "Status", "Any", "Ping", "Pong")
)


def frame(stream_id: int, kind: int, body: bytes, *, flags: int = 0, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return size.to_bytes(4, "big") + stream_id.to_bytes(4, "big") + bytes([kind, flags]) + body


def request(
    stream_id: int,
    method: str = "Echo",
    payload: bytes = b"",
    *,
    service: str = "try.Service",
    timeout_nano: int = 0,
    metadata: Iterable[tuple[str, str]] = (),
) -> bytes:
    body = RequestPb(service=service, method=method, payload=payload, timeout_nano=timeout_nano)
    for key, value in metadata:
        body.metadata.add(key=key, value=value)
    return frame(stream_id, 1, body.SerializeToString())


def success(stream_id: int, payload: bytes = b"") -> bytes:
    body = b"\x0a\x00" + (ResponsePb(payload=payload).SerializeToString())
    return frame(stream_id, 2, body)


def failure(stream_id: int, code: int, message: str) -> bytes:
    return frame(stream_id, 2, ResponsePb(status=StatusPb(code=code, message=message)).SerializeToString())


def some_address() -> str:
    """An abstract socket that nobody else uses."""
    return f"unix://@attestack-test-{uuid.uuid4().hex}"


def path_of(address: str) -> str:
    """The path of a unix address as Python's sockets take it."""
    path = address.removeprefix("unix://")
    return "\0" + path[1:] if path.startswith("@") else path


@dataclass(slots=True)
class RawPeer:
    """Either end of a connection, by hand."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def connect(cls, address: str) -> Self:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.connect(path_of(address))
            sock.settimeout(0)
            return cls(*await asyncio.open_unix_connection(sock=sock))
        except OSError:
            sock.close()
            raise

    async def send(self, *data: bytes) -> None:
        self.writer.write(b"".join(data))
        await self.writer.drain()

    async def frame(self) -> bytes:
        """The next frame, header included."""
        async with asyncio.timeout(20):
            header = await self.reader.readexactly(10)
            return header + await self.reader.readexactly(int.from_bytes(header[:4], "big"))

    async def ask(self, data: bytes) -> bytes:
        await self.send(data)
        return await self.frame()

    async def at_end(self) -> bool:
        """Whether the other end ends the connection without another byte."""
        try:
            async with asyncio.timeout(20):
                return await self.reader.read(1) == b""
        except ConnectionError:
            return True

    def abort(self) -> None:
        self.writer.transport.abort()

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


@contextlib.asynccontextmanager
async def raw_peer(address: str) -> AsyncIterator[RawPeer]:
    peer = await RawPeer.connect(address)
    try:
        yield peer
    finally:
        await peer.close()


@contextlib.asynccontextmanager
async def raw_server(address: str, serve: Any) -> AsyncIterator[asyncio.Server]:
    """Serve each connection with `serve(RawPeer)`, and close it afterwards."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = RawPeer(reader, writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await serve(peer)
        await peer.close()

    server = await asyncio.start_unix_server(connected, path_of(address))
    try:
        yield server
    finally:
        server.close()


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that no event tells of."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # what is waited for is not ours to signal
            await asyncio.sleep(0.001)


def names_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


async def echo(payload: bytes, _context: CallContext) -> bytes:
    return payload


class Gate:
    """A handler that says that it was called, and waits to be let through."""

    def __init__(self) -> None:
        self.entered = asyncio.Semaphore(0)
        self.open = asyncio.Event()
        self.cancelled = asyncio.Semaphore(0)

    async def __call__(self, payload: bytes, _context: CallContext) -> bytes:
        self.entered.release()
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.cancelled.release()
            raise
        return payload


def methods(**handlers: Handler) -> Mapping[str, Handler]:
    return {"Echo": echo, **handlers}
