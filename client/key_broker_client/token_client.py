"""The client that has its tokens from somebody else: the agent, or another broker (passport).

A token is used until it nears its end, and renewed once, whatever the number of requests that wait for it. A token that
the broker does not take is renewed at once, at most twice for one request.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from attestack_common.clock import system_clock

from key_broker_client.errors import UnauthorizedError
from key_broker_client.resources import fetch_resource

if TYPE_CHECKING:
    from attestack_common.clock import Clock
    from attestack_common.secret import Secret
    from attestation_protocol.resource_uri import ResourceUri

    from key_broker_client.tokens import AttestationToken
    from key_broker_client.transport import Transport

RESOURCE_ATTEMPTS: Final = 3
TOKEN_TIMEOUT: Final = 50.0
"""Seconds that getting a token may take."""


class TokenProvider(Protocol):
    """Gets tokens."""

    async def token(self, *, refused: AttestationToken | None = None) -> AttestationToken:
        """Return a token; never again the one that was `refused`."""
        ...


class TokenClient:
    """Fetches resources with tokens. Safe to use by many tasks at once."""

    def __init__(self, transport: Transport, provider: TokenProvider, *, clock: Clock = system_clock) -> None:
        self._transport = transport
        self._provider = provider
        self._clock = clock
        self._token: AttestationToken | None = None
        self._renewal = asyncio.Lock()

    async def get_resource(self, uri: ResourceUri) -> Secret:
        """Fetch a resource. Raises BrokerError, and what the provider raises."""
        refused: AttestationToken | None = None
        for attempt in range(RESOURCE_ATTEMPTS):
            token = await self._usable(refused)
            headers = {"authorization": f"Bearer {token.token.text}"}
            try:
                return await fetch_resource(self._transport, uri, token.key, headers)
            except UnauthorizedError:
                if attempt == RESOURCE_ATTEMPTS - 1:
                    raise
                refused = token
        raise AssertionError

    async def _usable(self, refused: AttestationToken | None) -> AttestationToken:
        async with self._renewal:
            token = self._token
            if token is None or token is refused or not token.usable_at(self._clock()):
                async with asyncio.timeout(TOKEN_TIMEOUT):
                    token = self._token = await self._provider.token(refused=refused)
            return token
