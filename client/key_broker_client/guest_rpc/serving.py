"""Serves the services of a guest's program on one address, over ttRPC or over gRPC."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from attestack_common import process
from attestation_protocol.errors import wire_text_of
from ttrpc_asyncio import Server

from key_broker_client.guest_rpc.addresses import GrpcAddress

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Sequence

    from ttrpc_asyncio import Service

    from key_broker_client.guest_rpc.addresses import ServingAddress

DRAIN_SECONDS: Final = 4.0
"""Seconds that calls in flight have to end when the program is stopped; the process has ten for all of it."""


class Running(Protocol):
    """A server that listens."""

    async def serve_forever(self) -> None:
        """Serve until it is cancelled."""
        ...


async def serve(running: contextlib.AsyncExitStack, address: ServingAddress, services: Sequence[Service]) -> Running:
    """Listen until `running` ends. Raises ConfigError, AddressError."""
    if isinstance(address, GrpcAddress):
        from key_broker_client.guest_rpc import over_grpc  # noqa: PLC0415  # programs on ttRPC need none of it

        grpc_server = await over_grpc.start(address, services)
        running.push_async_callback(grpc_server.stop, DRAIN_SECONDS)
        return grpc_server
    if address.is_file:
        process.ensure_runtime_dir(Path(address.host).parent)
    server = Server(services, error_text=wire_text_of, drain_seconds=DRAIN_SECONDS)
    await running.enter_async_context(server)
    await server.start(address)
    return server
