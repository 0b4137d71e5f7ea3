"""The client that has its tokens from somebody else: the agent, or another broker (passport).

A token is used until it nears its end, and renewed once, whatever the number of requests that wait for it. A token that
the broker does not take is renewed at once, at most twice for one request. A denial on a fresh token is final; one on a
token that was got a while ago is checked once with a new one, since the operator may have changed what it is appraised
by.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from attestack_common.clock import system_clock

from key_broker_client.errors import AccessDeniedError, UnauthorizedError
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
        self._got_at = 0.0
        self._renewal = asyncio.Lock()

    async def get_resource(self, uri: ResourceUri) -> Secret:
        """Fetch a resource. Raises BrokerError, and what the provider raises."""
        refused: AttestationToken | None = None
        for attempt in range(RESOURCE_ATTEMPTS):
            token, age = await self._usable(refused)
            headers = {"authorization": f"Bearer {token.token.text}"}
            try:
                return await fetch_resource(self._transport, uri, token.key, headers)
            except UnauthorizedError:
                if attempt == RESOURCE_ATTEMPTS - 1:
                    raise
            except AccessDeniedError:
                if age < FRESH_SECONDS or attempt == RESOURCE_ATTEMPTS - 1:
                    raise
            refused = token
        raise AssertionError

    async def _usable(self, refused: AttestationToken | None) -> tuple[AttestationToken, float]:
        """Return a token, and how many seconds ago it was got."""
        async with self._renewal:
            token = self._token
            now = self._clock()
            if token is None or token is refused or not token.usable_at(now):
                async with asyncio.timeout(TOKEN_TIMEOUT):
                    token = self._token = await self._provider.token(refused=refused)
                self._got_at = now.timestamp()
            return token, now.timestamp() - self._got_at
