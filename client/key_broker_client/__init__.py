"""The guest's side of RCAR: the handshake, tokens, resources; and the administrator's client.

RcarClient       attests and fetches resources in its own session (background check)
TokenClient      fetches resources with a token that somebody else got (passport, and the data hub)
AdminClient      what an operator does: policies, resources, reference values
"""

from key_broker_client.admin import AdminClient
from key_broker_client.evidence import EvidenceProvider
from key_broker_client.rcar_client import RcarClient
from key_broker_client.token_client import TokenClient, TokenProvider
from key_broker_client.tokens import AttestationToken
from key_broker_client.transport import HttpTransport, Transport, TransportSettings

__all__ = [
    "AdminClient",
    "AttestationToken",
    "EvidenceProvider",
    "HttpTransport",
    "RcarClient",
    "TokenClient",
    "TokenProvider",
    "Transport",
    "TransportSettings",
]
