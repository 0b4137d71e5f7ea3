"""ttRPC over asyncio: server and client, on unix, abstract, vsock and TCP sockets.

ttRPC is gRPC for small places: the same services and status codes, without HTTP/2. It is what containerd's shims, the
agent of Kata Containers and the guest components of Confidential Containers speak. This package carries unary calls
and interoperates with the Rust crate `ttrpc` 0.9 and with Go's `github.com/containerd/ttrpc`.

    frames      the ten-byte header, and how a byte stream is cut            (pure)
    envelope    the protobuf messages around a call and its answer           (pure; wire: the primitives)
    address     unix://, vsock:// and tcp:// addresses                       (pure)
    service     handlers by name, also bound from a protobuf descriptor
    server      listening, limits, stopping                                  (connection: what each frame gets)
    client      calls on one connection                                      (reconnecting: on one after another)
    errors      one tree, a stable code in each

Serving:

    service = Service.from_descriptor(agent_pb2.DESCRIPTOR.services_by_name["AgentService"], Agent())
    async with Server([service]) as server:
        await server.start("unix:///run/agent.sock")
        await server.serve_forever()

Calling:

    async with await Client.connect("unix:///run/agent.sock") as client:
        response = await client.unary("agent.AgentService", "GetTeeType", Request(), Response, timeout=5)
"""

from ttrpc_asyncio.address import Address
from ttrpc_asyncio.client import Client
from ttrpc_asyncio.codes import Code
from ttrpc_asyncio.context import CallContext, Handler, Metadata, Peer
from ttrpc_asyncio.errors import (
    AddressError,
    ConnectError,
    ConnectionClosedError,
    DeadlineExceededError,
    Detail,
    EnvelopeError,
    FrameError,
    StatusError,
    TtrpcError,
)
from ttrpc_asyncio.frames import MAX_MESSAGE
from ttrpc_asyncio.reconnecting import ReconnectingClient
from ttrpc_asyncio.server import Server
from ttrpc_asyncio.service import Service

__all__ = [
    "MAX_MESSAGE",
    "Address",
    "AddressError",
    "CallContext",
    "Client",
    "Code",
    "ConnectError",
    "ConnectionClosedError",
    "DeadlineExceededError",
    "Detail",
    "EnvelopeError",
    "FrameError",
    "Handler",
    "Metadata",
    "Peer",
    "ReconnectingClient",
    "Server",
    "Service",
    "StatusError",
    "TtrpcError",
]
