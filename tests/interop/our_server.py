"""Our server as the peers call it: bound from a descriptor, as the agent and the hub are.

It has the methods of README.md, except Sleep, and three that a test has in hand: Wait ends when `gate` is opened,
Gather when a thousand of its calls are in flight, Note notes what its calls carry.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Self

from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.wrappers_pb2 import DESCRIPTOR, BytesValue
from ttrpc_asyncio import CallContext, Code, Detail, Server, Service, StatusError

from tests.interop.driver import SERVICE, pattern
from tests.unit.ttrpc_asyncio.peer import Gate, methods

if TYPE_CHECKING:
    from types import TracebackType

    from google.protobuf.descriptor import ServiceDescriptor

THOUSAND: Final = 1000
DETAILS: Final = (Detail("type.googleapis.com/google.protobuf.StringValue", b"\x0a\x03why"), Detail("x/y", b"\x00\xff"))


def descriptor() -> ServiceDescriptor:
    """A service whose methods all take and return a BytesValue."""
    file = descriptor_pb2.FileDescriptorProto(
        name="tests/interop/peer.proto", package="interop", syntax="proto3", dependency=[DESCRIPTOR.name]
    )
    service = file.service.add(name="Peer")
    value = ".google.protobuf.BytesValue"
    for name in ("Absent", "Break", "Echo", "Gather", "Note", "Pattern", "Status", "Wait"):
        service.method.add(name=name, input_type=value, output_type=value)
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindServiceByName(SERVICE)


class OurServer:
    """What the service does, the server that it is served by, and what a test may look at."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.noted: list[CallContext] = []
        self._gathered: list[asyncio.Future[None]] = []
        service = Service.from_descriptor(descriptor(), self)
        self.server = Server([service, Service("try.Service", methods(Wait=Gate()))], drain_seconds=5)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.server.stop()

    async def break_(self, request: BytesValue, _context: CallContext) -> BytesValue:
        raise ValueError(f"cannot use {request}")

    Break = break_

    async def echo(self, request: BytesValue, _context: CallContext) -> BytesValue:
        return request

    async def gather(self, request: BytesValue, _context: CallContext) -> BytesValue:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._gathered.append(turn)
        if len(self._gathered) == THOUSAND:
            for one in reversed(self._gathered):
                one.set_result(None)
            self._gathered.clear()
        await turn
        return request

    async def note(self, request: BytesValue, context: CallContext) -> BytesValue:
        self.noted.append(context)
        return request

    async def pattern(self, request: BytesValue, _context: CallContext) -> BytesValue:
        return BytesValue(value=pattern(int(request.value)))

    async def status(self, request: BytesValue, _context: CallContext) -> BytesValue:
        raise StatusError(Code(int(request.value)), "não é possível", DETAILS)

    async def wait(self, request: BytesValue, context: CallContext) -> BytesValue:
        return BytesValue(value=await self.gate(request.value, context))
