"""One token for all who ask: kept until it nears its end, and got once for all who wait for it.

    token()                       the kept one while it may be used, else a new one
    token(refused=fingerprint)    never that one again: a broker that was restarted with another key must not lock its
                                  guests out until the token ends

Getting a token belongs to all who wait for it. One of them leaving does not end it, and if all have left it is still
got, for the next one who asks. Its failure is the failure of all who wait, and is not kept.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Final

from attestack_common.clock import system_clock

from key_broker_client.errors import TooLateError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from attestack_common.clock import Clock

    from key_broker_client.tokens import AttestationToken

SKEW: Final = 10.0
"""Seconds that the clocks of guest and broker may be apart before a token's own date counts for its age."""
CLOSE_SECONDS: Final = 5.0
"""Seconds that what is under way may take to heed its cancellation."""


class KeptToken:
    """A source of tokens. Safe to use by many tasks at once."""

    def __init__(
        self,
        get: Callable[[str | None], Awaitable[AttestationToken]],
        *,
        seconds: float,
        clock: Clock = system_clock,
        keep: bool = True,
    ) -> None:
        """Take note of where tokens come from.

        Args:
            get: gets a new token; it is told the fingerprint of the one that was refused, or None.
            seconds: how long that may take.
            clock: by which tokens end.
            keep: False gets a token for each who asks.
        """
        self._get = get
        self._seconds = seconds
        self._clock = clock
        self._keep = keep
        self._kept: AttestationToken | None = None
        self._got_at = -math.inf
        self._flight: asyncio.Task[AttestationToken] | None = None

    async def token(self, *, refused: str | None = None) -> AttestationToken:
        """Return a token. Raises TooLateError, and what `get` raises."""
        if not self._keep:
            return await self._got(refused)
        kept = self._kept
        if kept is not None and kept.usable_at(self._clock()) and (refused is None or refused != kept.fingerprint):
            return kept
        if self._flight is None:
            self._flight = asyncio.create_task(self._got(refused))
            self._flight.add_done_callback(self._landed)
        return await asyncio.shield(self._flight)

    def age(self, token: AttestationToken) -> float:
        """Return how many seconds ago a token was got; infinite for one that is not kept.

        A token that was already old then, because somebody else had kept it, is as old as its own date says.
        """
        if token is not self._kept:
            return math.inf
        now = self._clock().timestamp()
        issued = token.issued
        return now - issued if issued is not None and self._got_at - issued > SKEW else now - self._got_at

    async def close(self) -> None:
        """End what is under way. Those who wait for it are cancelled."""
        flight = self._flight
        if flight is not None:
            flight.cancel()
            await asyncio.wait([flight], timeout=CLOSE_SECONDS)

    async def _got(self, refused: str | None) -> AttestationToken:
        try:
            async with asyncio.timeout(self._seconds):
                token = await self._get(refused)
        except TimeoutError:
            raise TooLateError(
                f"no token came within {self._seconds:g} s",
                code="TOKEN-TIMEOUT",
                advice="the platform or the broker is slow: try again",
            ) from None
        self._kept, self._got_at = token, self._clock().timestamp()
        return token

    def _landed(self, flight: asyncio.Task[AttestationToken]) -> None:
        self._flight = None
        if not flight.cancelled():
            flight.exception()  # whoever waited has it; nobody may be left to
