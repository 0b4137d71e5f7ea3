"""The health service of gRPC servers, `grpc.health.v1.Health`: what probes of orchestrators ask.

A server that answers is serving, so the state of every service that is named here is SERVING, and so is the whole
server's, asked for by an empty name. A name that is not served is answered NOT_FOUND, to `Watch` too, as in the Rust
programs. A watcher hears the state once; its stream then stays open until one side ends it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from attestack_common.grpc_edge import Refusal, Service, Status
from attestation_protocol.stubs.health_pb2 import HealthCheckRequest, HealthCheckResponse

from trustee_core.grpc_messages import parsed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

NAME: Final = "grpc.health.v1.Health"

_SERVING: Final = HealthCheckResponse(status=HealthCheckResponse.SERVING).SerializeToString()


def health_service(served: Iterable[str]) -> Service:
    """Make the service, for the names of the services beside it."""
    names = frozenset({"", *served})

    def require_served(message: bytes) -> None:
        if parsed(HealthCheckRequest, message).service not in names:
            raise Refusal(Status.NOT_FOUND, "service not registered")

    async def check(message: bytes) -> bytes:
        require_served(message)
        return _SERVING

    async def watch(message: bytes) -> AsyncIterator[bytes]:
        require_served(message)
        yield _SERVING
        await asyncio.Event().wait()  # for ever: the caller or the server ends it

    return Service(NAME, {"Check": check}, {"Watch": watch})
