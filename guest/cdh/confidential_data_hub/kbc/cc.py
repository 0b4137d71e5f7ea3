"""`cc_kbc`: resources of a Key Broker Service, on tokens of the Attestation Agent.

One pooled connection to each for the life of the hub; one token until it nears its end. The stock hub makes both anew
for every request, so that each costs a handshake.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attestack_common.logs import get_logger
from attestation_protocol.errors import ProtocolError, advice_of, code_of, text_of
from attestation_protocol.stubs import attestation_agent_pb2 as pb
from key_broker_client import (
    AttestationToken,
    HttpTransport,
    TokenClient,
    TransportSettings,
    is_private,
    shown_url,
)
from key_broker_client.tokens import REFUSED_TOKEN
from ttrpc_asyncio import Address, DeadlineExceededError, ReconnectingClient, StatusError, TtrpcError

from confidential_data_hub.errors import AgentUnavailableError

if TYPE_CHECKING:
    from key_broker_client import TokenProvider

    from confidential_data_hub.config import KbcConfig

AGENT_SERVICE: Final = pb.DESCRIPTOR.services_by_name["AttestationAgentService"].full_name
AGENT_SECONDS: Final = 50.0
"""Seconds that the agent may take for a token."""

_log = get_logger("cdh.kbc")


class AgentTokens:
    """Tokens over the agent's socket."""

    def __init__(self, agent_socket: str) -> None:
        self._client = ReconnectingClient(Address.parse(agent_socket))
        self._socket = agent_socket

    async def token(self, *, refused: str | None = None) -> AttestationToken:
        """Ask the agent, naming the token that was refused. Raises AgentUnavailableError."""
        request = pb.GetTokenRequest(TokenType="kbs")
        metadata = None if refused is None else {REFUSED_TOKEN: [refused]}
        try:
            response = await self._client.unary(
                AGENT_SERVICE,
                "GetToken",
                request,
                pb.GetTokenResponse,
                timeout=AGENT_SECONDS,
                metadata=metadata,
                idempotent=True,
            )
            return AttestationToken.parse(response.Token)
        except StatusError as error:
            raise AgentUnavailableError(
                f"the agent gave no token: {text_of(error.message)}",
                code=code_of(error.message) or "HUB-AGENT",
                advice=advice_of(error.message) or "the agent's log says why",
            ) from None
        except DeadlineExceededError:
            raise AgentUnavailableError(
                f"the agent gave no token within {AGENT_SECONDS:g} s",
                code="HUB-AGENT-TIMEOUT",
                advice="the platform or the broker is slow: try again",
            ) from None
        except TtrpcError as error:
            raise AgentUnavailableError(
                f"the agent does not answer on {self._socket}: {error.message}",
                advice="see that attestation-agent runs and listens there",
            ) from None
        except ProtocolError as error:
            raise AgentUnavailableError(f"the agent's token is of no use: {error.message}", code=error.code) from None

    async def close(self) -> None:
        """Close the connection."""
        await self._client.close()


def cc_kbc(settings: KbcConfig, tokens: TokenProvider) -> TokenClient:
    """Make the client of the configured broker."""
    if not is_private(settings.url):
        _log.warning(
            "the broker is reached without TLS: its answers can be replaced on the way", broker=shown_url(settings.url)
        )
    return TokenClient(HttpTransport(TransportSettings(settings.url, settings.kbs_cert or None)), tokens)
