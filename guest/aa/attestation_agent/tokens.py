"""Tokens, by type. A token of type `kbs` is kept until it nears its end, and got once for all who wait for it.

The stock agent attests anew for each call. A caller that was refused with a token says so by its fingerprint, and is
never given that one again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from attestack_common.clock import system_clock
from attestack_common.logs import get_logger
from attestation_protocol.tee_key import TeeKeyPair
from key_broker_client import HttpTransport, KeptToken, RcarClient, TransportSettings, is_private, shown_url

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
    if not is_private(settings.url):
        _log.warning("the broker is reached without TLS", broker=shown_url(settings.url))
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
        self._transport = transport(settings)
        self._kept = KeptToken(self._attest, seconds=TOKEN_SECONDS, clock=clock, keep=settings.token_cache)

    async def token(self, *, refused: str | None = None) -> AttestationToken:
        """Return a token; never the one whose fingerprint is `refused`. Raises BrokerError or AttesterError."""
        return await self._kept.token(refused=refused)

    async def close(self) -> None:
        """End what is under way, and close the connections."""
        await self._kept.close()
        await self._transport.close()

    async def _attest(self, _refused: str | None) -> AttestationToken:
        # A new RSA key takes a tenth of a second.
        key = await asyncio.to_thread(TeeKeyPair.generate, self._settings.tee_key_algorithm)
        client = RcarClient(self._transport, self._evidence, key=key, init_data=self._init_data)
        token = await client.attest()
        broker = shown_url(self._settings.url)
        _log.info("attested", broker=broker, token=token.fingerprint[:16], expires=token.token.expires)
        return token


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
