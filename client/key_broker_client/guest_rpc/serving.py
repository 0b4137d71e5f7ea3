"""Serves the services of a guest's program on one address. Over gRPC they are the same objects behind another door.

What differs over gRPC, as in the Rust programs: a message that does not decode is INTERNAL instead of UNKNOWN, and an
RPC that is not offered is UNIMPLEMENTED. Metadata of a call is not passed on, so that a caller cannot name a refused
token there.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from attestack_common import process
from attestack_common.errors import ConfigError
from attestation_protocol.errors import wire_text, wire_text_of
from ttrpc_asyncio import CallContext, Peer, Server, StatusError

from key_broker_client.guest_rpc.addresses import GrpcAddress

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Sequence

    from attestack_common import grpc_edge
    from ttrpc_asyncio import Handler, Service

    from key_broker_client.guest_rpc.addresses import ServingAddress

DRAIN_SECONDS: Final = 4.0
"""Seconds that calls in flight have to end when the program is stopped; the process has ten for all of it."""
GRPC_HANDLER_SECONDS: Final = 320.0
"""Seconds that a call over gRPC may take: no less than the longest of the services' own limits."""
GRPC_CONNECTIONS: Final = 256


class Running(Protocol):
    """A server that listens."""

    async def serve_forever(self) -> None:
        """Serve until it is cancelled."""
        ...


async def serve(running: contextlib.AsyncExitStack, address: ServingAddress, services: Sequence[Service]) -> Running:
    """Listen until `running` ends. Raises ConfigError, AddressError."""
    if isinstance(address, GrpcAddress):
        return await _over_grpc(running, address, services)
    if address.is_file:
        process.ensure_runtime_dir(Path(address.host).parent)
    server = Server(services, error_text=wire_text_of, drain_seconds=DRAIN_SECONDS)
    await running.enter_async_context(server)
    await server.start(address)
    return server


async def _over_grpc(running: contextlib.AsyncExitStack, address: GrpcAddress, services: Sequence[Service]) -> Running:
    if importlib.util.find_spec("grpc") is None:
        raise ConfigError(
            f"cannot listen on {address}: gRPC is not installed",
            code="GRPC-MISSING",
            advice="install grpcio, or listen on unix:///path, which is ttRPC",
        )
    from attestack_common.grpc_edge import GrpcServer, Limits  # noqa: PLC0415  # programs on ttRPC need none of it

    limits = Limits(handler_seconds=GRPC_HANDLER_SECONDS, max_connections=GRPC_CONNECTIONS)
    server = GrpcServer([carried(service) for service in services], address=str(address), limits=limits)
    await server.start()
    running.push_async_callback(server.stop, DRAIN_SECONDS)
    return server


def carried(service: Service) -> grpc_edge.Service:
    """Put the handlers of a service behind gRPC."""
    from attestack_common import grpc_edge  # noqa: PLC0415  # as above

    methods = {name: _method(service.name, name, handler) for name, handler in service.methods.items()}
    return grpc_edge.Service(service.name, methods)


def _method(service: str, name: str, handler: Handler) -> grpc_edge.Method:
    from attestack_common.grpc_edge import Refusal  # noqa: PLC0415  # as above

    context = CallContext(service, name, {}, 0, Peer(""))

    async def method(message: bytes) -> bytes:
        try:
            return await handler(message, context)
        except StatusError as error:
            raise Refusal(*_status_and_text(error)) from None

    return method


def _status_and_text(error: StatusError) -> tuple[grpc_edge.Status, str]:
    from attestack_common.grpc_edge import Status  # noqa: PLC0415  # as above

    if error.code == "TTRPC-PAYLOAD":
        advice = "send the message that the method takes"
        return Status.INTERNAL, wire_text("failed to decode Protobuf message", "RPC-MESSAGE", advice)
    if error.code == "TTRPC-NOT-SUPPORTED":
        return Status.UNIMPLEMENTED, wire_text(error.message, "RPC-NOT-SUPPORTED")
    return Status(error.status), wire_text_of(error)
