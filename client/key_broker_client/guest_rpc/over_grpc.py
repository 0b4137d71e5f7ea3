"""The services of a guest's program behind gRPC: the handlers that serve ttRPC, through another door.

What differs, as in the Rust programs: a message that does not decode is INTERNAL instead of UNKNOWN, and an RPC that is
not offered is UNIMPLEMENTED. Metadata of a call is not passed on.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Final

from attestack_common.errors import ConfigError
from attestack_common.grpc_edge import GrpcServer, Limits, Refusal, Status
from attestack_common.grpc_edge import Service as GrpcService
from attestation_protocol.errors import wire_text, wire_text_of
from ttrpc_asyncio import CallContext, Peer, StatusError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attestack_common.grpc_edge import Method
    from ttrpc_asyncio import Handler, Service

    from key_broker_client.guest_rpc.addresses import GrpcAddress

LIMITS: Final = Limits(handler_seconds=320.0, max_connections=256)
"""A call may take no less than the longest of the services' own limits: a token takes 300 s at the most."""


async def start(address: GrpcAddress, services: Sequence[Service]) -> GrpcServer:
    """Listen. Raises ConfigError."""
    if importlib.util.find_spec("grpc") is None:
        raise ConfigError(
            f"cannot listen on {address}: gRPC is not installed",
            code="GRPC-MISSING",
            advice="install grpcio, or listen on unix:///path, which is ttRPC",
        )
    server = GrpcServer([carried(service) for service in services], address=str(address), limits=LIMITS)
    await server.start()
    return server


def carried(service: Service) -> GrpcService:
    """Put the handlers of a service behind gRPC."""
    methods = {name: _method(service.name, name, handler) for name, handler in service.methods.items()}
    return GrpcService(service.name, methods)


def _method(service: str, name: str, handler: Handler) -> Method:
    context = CallContext(service, name, {}, 0, Peer(""))

    async def method(message: bytes) -> bytes:
        try:
            return await handler(message, context)
        except StatusError as error:
            raise _refusal(error) from None

    return method


def _refusal(error: StatusError) -> Refusal:
    if error.code == "TTRPC-PAYLOAD":
        advice = "send the message that the method takes"
        return Refusal(Status.INTERNAL, wire_text("failed to decode Protobuf message", "RPC-MESSAGE", advice))
    if error.code == "TTRPC-NOT-SUPPORTED":
        return Refusal(Status.UNIMPLEMENTED, wire_text(error.message, "RPC-NOT-SUPPORTED"))
    return Refusal(Status(error.status), wire_text_of(error))
