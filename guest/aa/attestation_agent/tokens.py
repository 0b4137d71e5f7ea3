"""Tokens, by type. A token of type `kbs` is kept until it nears its end, and got once for all who wait for it.

The stock agent attests anew for each call. A caller that was refused with a token says so by its fingerprint, and is
never given that one again: a broker that was restarted with another key must not lock its guests out until the token
ends.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from attestack_common.clock import system_clock
from attestack_common.logs import get_logger
from attestation_protocol.tee_key import TeeKeyPair
from key_broker_client import HttpTransport, RcarClient, TransportSettings

from attestation_agent.errors import TokenUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from attestack_common.clock import Clock
    from key_broker_client import AttestationToken, EvidenceProvider, Transport

    from attestation_agent.config import KbsTokenConfig

TOKEN_SECONDS: Final = 300.0
"""Seconds that one handshake, with its retries, may take."""

_log = get_logger("aa.tokens")


def over_http(settings: KbsTokenConfig) -> Transport:
    """Make the transport to the configured broker."""
    return HttpTransport(TransportSettings(settings.url, settings.cert or None))


class KbsTokens:
    """Tokens of one broker. Safe to use by many tasks at once."""

    def __init__(
        self,
        settings: KbsTokenConfig,
        evidence: EvidenceProvider,
        *,
        init_data: str | None = None,
        clock: Clock = system_clock,
        transport: Callable[[KbsTokenConfig], Transport] = over_http,
    ) -> None:
        self._settings = settings
        self._evidence = evidence
        self._init_data = init_data
        self._clock = clock
        self._transport = transport(settings)
        self._kept: AttestationToken | None = None
        self._flight: asyncio.Task[AttestationToken] | None = None

    async def token(self, *, refused: str | None = None) -> AttestationToken:
        """Return a token; never the one whose fingerprint is `refused`. Raises BrokerError or AttesterError."""
        kept = self._kept
        if kept is not None and self._settings.token_cache:
            if kept.usable_at(self._clock()) and kept.fingerprint != refused:
                return kept
            self._kept = None
        if self._flight is None:
            self._flight = asyncio.create_task(self._attest())
            self._flight.add_done_callback(self._landed)
        # The handshake belongs to all who wait for it: one of them leaving must not end it.
        return await asyncio.shield(self._flight)

    async def _attest(self) -> AttestationToken:
        key = TeeKeyPair.generate(self._settings.tee_key_algorithm)
        client = RcarClient(self._transport, self._evidence, key=key, init_data=self._init_data)
        async with asyncio.timeout(TOKEN_SECONDS):
            token = self._kept = await client.attest()
        _log.info("attested", broker=self._settings.url, token=token.fingerprint[:16], expires=token.token.expires)
        return token

    def _landed(self, flight: asyncio.Task[AttestationToken]) -> None:
        self._flight = None
        if not flight.cancelled():
            flight.exception()  # whoever waited has it; nobody may be left to


class Tokens:
    """The kinds of token that are configured."""

    def __init__(self, kbs: KbsTokens | None) -> None:
        self._kbs = kbs

    async def token(self, kind: str, *, refused: str | None = None) -> bytes:
        """Return a token of a kind as it is handed out. Raises TokenUnavailableError, BrokerError, AttesterError."""
        if kind == "kbs" and self._kbs is not None:
            return (await self._kbs.token(refused=refused)).to_json()
        if kind == "kbs":
            raise TokenUnavailableError(
                "no broker is configured", advice="set token_configs.kbs.url, or agent.aa_kbc_params=cc_kbc::<url>"
            )
        raise TokenUnavailableError(
            f"tokens of kind {kind!r:.40} are not offered", advice="ask for a token of kind kbs"
        )
