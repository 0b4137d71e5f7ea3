"""The gRPC edge of services and their clients: calls come in bounded and whole, go out with a time limit.

All use of grpcio is in here, and none at import: it is loaded when a `GrpcServer` or a `Channel` starts.
"""

from __future__ import annotations

from attestack_common.grpc_edge.address import PeerAddress
from attestack_common.grpc_edge.channel import Channel
from attestack_common.grpc_edge.errors import (
    CallError,
    CallRefusedError,
    CallTimeoutError,
    PeerUnreachableError,
)
from attestack_common.grpc_edge.messages import Limits, Method, Refusal, Service, Status, StreamMethod
from attestack_common.grpc_edge.server import GrpcServer

__all__ = [
    "CallError",
    "CallRefusedError",
    "CallTimeoutError",
    "Channel",
    "GrpcServer",
    "Limits",
    "Method",
    "PeerAddress",
    "PeerUnreachableError",
    "Refusal",
    "Service",
    "Status",
    "StreamMethod",
]
