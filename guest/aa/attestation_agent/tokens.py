"""Tokens, by type: `kbs` from a broker, `coco_as` from an attestation service.

A token of type `kbs` is kept until it nears its end, and got once for all who wait for it. The stock agent attests anew
for each call. A caller that was refused with a token says so by its fingerprint, and is never given that one again.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from attestack_common.clock import system_clock
from attestack_common.logs import get_logger
from attestation_protocol.encoding import b64url_encode, compact_json
from attestation_protocol.errors import advice_of, code_of, text_of
from attestation_protocol.tee_key import TeeKeyPair
from attestation_protocol.token import UnverifiedToken
from key_broker_client import HttpTransport, KeptToken, RcarClient, TransportSettings, is_private, shown_url

from attestation_agent.errors import TokenUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from attestack_common.clock import Clock
    from key_broker_client import AttestationToken, EvidenceProvider, Transport

    from attestation_agent.config import CocoAsTokenConfig, KbsTokenConfig

TOKEN_SECONDS: Final = 300.0
"""Seconds that one handshake, with its retries, may take."""

_JSON: Final = {"content-type": "application/json"}
_MAX_REFUSAL: Final = 2048

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


class CocoAsTokens:
    """Tokens of an attestation service, asked without a broker between: its `/attestation` route.

    The request is the stock agent's: evidence of an empty report data, no runtime data, no policies. So the token
    is bound to no key and to no time: whoever has it can show it, and old evidence gives a new one.
    """

    def __init__(
        self,
        settings: CocoAsTokenConfig,
        evidence: EvidenceProvider,
        *,
        transport: Callable[[str], Transport] = lambda url: HttpTransport(TransportSettings(url)),
    ) -> None:
        self._url = shown_url(settings.url)
        self._evidence = evidence
        self._transport = transport(settings.url)
        _log.warning("tokens of kind coco_as are bound to no key: whoever has one can show it", service=self._url)

    async def token(self) -> str:
        """Attest. Raises TokenUnavailableError, BrokerError or AttesterError."""
        evidence = compact_json(await self._evidence.evidence(b""))
        one = {"tee": await self._evidence.tee(), "evidence": b64url_encode(evidence)}
        body = compact_json({"verification_requests": [one], "policy_ids": []})
        answer = await self._transport.send("POST", "/attestation", body=body, headers=_JSON)
        if answer.status != HTTPStatus.OK:
            text = answer.body[:_MAX_REFUSAL].decode("utf-8", "replace")
            raise TokenUnavailableError(
                f"the attestation service {self._url} answered {answer.status}: {text_of(text)!r}",
                code=code_of(text) or "AGENT-COCO-AS",
                advice=advice_of(text) or "see the log of the attestation service",
            )
        try:
            return UnverifiedToken.parse(answer.body.decode("ascii").strip()).text
        except ValueError:
            raise TokenUnavailableError(
                f"the attestation service {self._url} answered what is no token",
                code="AGENT-COCO-AS",
                advice="see that token_configs.coco_as.url is that of a restful-as",
            ) from None

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()


class Tokens:
    """The kinds of token that are configured."""

    def __init__(self, kbs: KbsTokens | None, coco_as: CocoAsTokens | None = None) -> None:
        self._kbs = kbs
        self._coco_as = coco_as

    async def token(self, kind: str, *, refused: str | None = None) -> bytes:
        """Return a token of a kind as it is handed out. Raises TokenUnavailableError, BrokerError, AttesterError."""
        if kind == "kbs":
            if self._kbs is None:
                raise TokenUnavailableError(
                    "no broker is configured", advice="set token_configs.kbs.url, or agent.aa_kbc_params=cc_kbc::<url>"
                )
            return (await self._kbs.token(refused=refused)).to_json()
        if kind == "coco_as":
            if self._coco_as is None:
                raise TokenUnavailableError(
                    "no attestation service is configured", advice="set token_configs.coco_as.url"
                )
            return (await self._coco_as.token()).encode()
        raise TokenUnavailableError(
            f"tokens of kind {kind!r:.40} are not offered", advice="ask for a token of kind kbs or coco_as"
        )
