"""The guest's side of RCAR: the handshake, tokens, resources; and the administrator's client.

RcarClient       attests and fetches resources in its own session (background check)
TokenClient      fetches resources with a token that somebody else got (passport, and the data hub)
KeptToken        one token for all who ask, until it nears its end
AdminClient      what an operator does: policies, resources, reference values
KbcParameters    where a guest without a configuration file learns of its broker
"""

from key_broker_client.admin import AdminClient
from key_broker_client.evidence import EvidenceProvider
from key_broker_client.kbc_parameters import CC_KBC, KbcParameters, kernel_command_line, kernel_word
from key_broker_client.kept_token import KeptToken
from key_broker_client.rcar_client import RcarClient
from key_broker_client.token_client import TokenClient, TokenProvider
from key_broker_client.tokens import AttestationToken
from key_broker_client.transport import HttpTransport, Transport, TransportSettings, is_private, shown_url

__all__ = [
    "CC_KBC",
    "AdminClient",
    "AttestationToken",
    "EvidenceProvider",
    "HttpTransport",
    "KbcParameters",
    "KeptToken",
    "RcarClient",
    "TokenClient",
    "TokenProvider",
    "Transport",
    "TransportSettings",
    "is_private",
    "kernel_command_line",
    "kernel_word",
    "shown_url",
]
