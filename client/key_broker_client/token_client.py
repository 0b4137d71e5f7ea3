"""The client that has its tokens from somebody else: the agent, or another broker (passport).

A token is used until it nears its end, and renewed once, whatever the number of requests that wait for it. A token that
the broker does not take is renewed at once, at most twice for one request. A denial on a fresh token is final; one on a
token that was got a while ago is checked once with a new one, since the operator may have changed what it is appraised
by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from attestack_common.clock import system_clock

from key_broker_client.errors import AccessDeniedError, UnauthorizedError
from key_broker_client.kept_token import KeptToken
from key_broker_client.resources import fetch_resource

if TYPE_CHECKING:
    from attestack_common.clock import Clock
    from attestack_common.secret import Secret
    from attestation_protocol.resource_uri import ResourceUri

    from key_broker_client.tokens import AttestationToken
    from key_broker_client.transport import Transport

RESOURCE_ATTEMPTS: Final = 3
FRESH_SECONDS: Final = 0.5
"""Seconds during which a denial on a token is taken to be about the guest as it is."""
TOKEN_SECONDS: Final = 50.0
"""Seconds that getting a token may take."""


class TokenProvider(Protocol):
    """Gets tokens."""

    async def token(self, *, refused: str | None = None) -> AttestationToken:
        """Return a token; never again the one whose fingerprint is `refused`. Raises AttestackError."""
        ...


class TokenClient:
    """Fetches resources with tokens. Safe to use by many tasks at once."""

    def __init__(self, transport: Transport, provider: TokenProvider, *, clock: Clock = system_clock) -> None:
        self._transport = transport
        self._tokens = KeptToken(lambda refused: provider.token(refused=refused), seconds=TOKEN_SECONDS, clock=clock)

    async def get_resource(self, uri: ResourceUri) -> Secret:
        """Fetch a resource. Raises BrokerError, and what the provider raises."""
        refused: str | None = None
        checked = False
        for attempt in range(RESOURCE_ATTEMPTS):
            token = await self._tokens.token(refused=refused)
            fresh = self._tokens.age(token) < FRESH_SECONDS
            headers = {"authorization": f"Bearer {token.token.text}"}
            try:
                return await fetch_resource(self._transport, uri, token.key, headers)
            except UnauthorizedError:
                if attempt == RESOURCE_ATTEMPTS - 1:
                    raise
            except AccessDeniedError:
                if fresh or checked or attempt == RESOURCE_ATTEMPTS - 1:
                    raise
                checked = True
            refused = token.fingerprint
        raise AssertionError

    async def close(self) -> None:
        """End what is under way, and close the connections."""
        await self._tokens.close()
        await self._transport.close()
