"""Services: a name, and a handler for each method.

A service may be written by hand as a dictionary of handlers on bytes, or be bound from a protobuf service descriptor to
an object that has a coroutine method for each RPC:

    class Agent:
        async def GetTeeType(self, request, context): ...     # or get_tee_type

    Service.from_descriptor(agent_pb2.DESCRIPTOR.services_by_name["AttestationAgentService"], Agent())

An RPC that the object lacks answers NOT_FOUND, as the code that the Rust crate generates does; a payload that does not
decode answers UNKNOWN, as there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from ttrpc_asyncio import wire
from ttrpc_asyncio.codes import Code
from ttrpc_asyncio.errors import EnvelopeError, StatusError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

    from ttrpc_asyncio.context import CallContext, Handler

_WORDS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True, slots=True)
class Service:
    """A service by its fully qualified name, and the handlers of its methods by their bare names."""

    name: str
    methods: Mapping[str, Handler]

    @classmethod
    def from_descriptor(cls, descriptor: ServiceDescriptor, implementation: object) -> Self:
        """Bind each RPC to the method of `implementation` with its name, or with that name in snake case.

        A method takes the request message and a CallContext, and returns the response message of the RPC's type.
        Raises ValueError for a streaming RPC, which this transport does not carry.
        """
        return cls(descriptor.full_name, {rpc.name: _bind(rpc, implementation) for rpc in descriptor.methods})


def _bind(rpc: MethodDescriptor, implementation: object) -> Handler:
    if rpc.client_streaming or rpc.server_streaming:
        raise ValueError(f"{rpc.full_name} is a streaming RPC")
    method = getattr(implementation, rpc.name, None) or getattr(implementation, snake_case(rpc.name), None)
    return _not_supported(rpc) if method is None else _typed(rpc, method)


def _not_supported(rpc: MethodDescriptor) -> Handler:
    path = f"/{rpc.containing_service.full_name}/{rpc.name}"

    async def handler(_payload: bytes, _context: CallContext) -> bytes:
        raise StatusError(Code.NOT_FOUND, f"{path} is not supported", code="TTRPC-NOT-SUPPORTED")

    return handler


def _typed(rpc: MethodDescriptor, method: Callable[[Any, CallContext], Awaitable[Any]]) -> Handler:
    request_class, response_class = GetMessageClass(rpc.input_type), GetMessageClass(rpc.output_type)

    async def handler(payload: bytes, context: CallContext) -> bytes:
        try:
            request = request_class.FromString(payload)
        except DecodeError:
            raise StatusError(Code.UNKNOWN, f"ttrpc err: {_what_is_wrong(payload)}", code="TTRPC-PAYLOAD") from None
        response = await method(request, context)
        if not isinstance(response, response_class):
            raise TypeError(f"{rpc.full_name} returned {type(response).__name__}, not {rpc.output_type.name}")
        return response.SerializeToString()

    return handler


def _what_is_wrong(payload: bytes) -> str:
    try:
        wire.read_fields(payload)
    except EnvelopeError as error:
        return error.message
    return "Truncated message"  # the outermost message is whole, so the fault is in one inside it


def snake_case(name: str) -> str:
    """Return a name such as `GetTeeType` as `get_tee_type`."""
    return _WORDS.sub("_", name).lower()
