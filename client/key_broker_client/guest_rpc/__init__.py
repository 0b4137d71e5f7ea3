"""The calls between the programs of one guest: the same services and the same calls over ttRPC and over gRPC.

The form of the address picks: `unix:///path` and the other addresses of ttRPC, or `ip:port` for gRPC over plaintext
HTTP/2. grpcio is loaded only where an address asks for it.
"""

from key_broker_client.guest_rpc.addresses import GrpcAddress, ServingAddress, serving_address
from key_broker_client.guest_rpc.calling import GuestCallError, Peer, peer
from key_broker_client.guest_rpc.serving import Running, serve

__all__ = [
    "GrpcAddress",
    "GuestCallError",
    "Peer",
    "Running",
    "ServingAddress",
    "peer",
    "serve",
    "serving_address",
]
