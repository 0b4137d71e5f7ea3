"""The client that attests for itself: handshakes, and resources in its session.

Retries: a handshake is tried again when no answer came or the broker answered 5xx, five times, a second apart. A
refusal is final: the same evidence would be refused again. A resource request leads to a new handshake only if the
broker asks for attestation; a denied or missing resource is not re-attested (the stock guest does so three times).
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from attestation_protocol.errors import MessageError
from attestation_protocol.tee_key import TeeKeyPair

from key_broker_client.errors import BrokerAnswerError, BrokerUnreachableError, TooLateError, UnauthorizedError
from key_broker_client.handshake import Handshake
from key_broker_client.resources import fetch_resource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from attestack_common.secret import Secret
    from attestation_protocol.resource_uri import ResourceUri

    from key_broker_client.evidence import EvidenceProvider
    from key_broker_client.tokens import AttestationToken
    from key_broker_client.transport import Transport

HANDSHAKE_ATTEMPTS: Final = 5
RESOURCE_ATTEMPTS: Final = 3
PAUSE: Final = 1.0
"""Seconds between two attempts at a handshake."""
EVIDENCE_SECONDS: Final = 100.0
"""Seconds that collecting all evidence may take: hardware and its firmware can be slow."""
_SERVER_FAILED: Final = 500


class RcarClient:
    """A guest's session with one broker. Its key lives as long as it does."""

    def __init__(
        self,
        transport: Transport,
        evidence: EvidenceProvider,
        *,
        key: TeeKeyPair | None = None,
        init_data: str | None = None,
        pause: float = PAUSE,
        evidence_seconds: float = EVIDENCE_SECONDS,
    ) -> None:
        self._transport = transport
        self._evidence = evidence
        self._key = key or TeeKeyPair.generate()
        self._init_data = init_data
        self._pause = pause
        self._evidence_seconds = evidence_seconds
        self._cookie: str | None = None

    async def attest(self) -> AttestationToken:
        """Attest, and return the token. Raises BrokerError, and what the provider of evidence raises."""
        for attempt in range(HANDSHAKE_ATTEMPTS):
            if attempt:
                await asyncio.sleep(self._pause)
            try:
                return await self._handshake()
            except BrokerUnreachableError:
                if attempt == HANDSHAKE_ATTEMPTS - 1:
                    raise
            except BrokerAnswerError as error:
                if attempt == HANDSHAKE_ATTEMPTS - 1 or error.status < _SERVER_FAILED:
                    raise
        raise AssertionError

    async def get_resource(self, uri: ResourceUri) -> Secret:
        """Fetch a resource, attesting when the broker asks for it. Raises what `attest` raises."""
        for attempt in range(RESOURCE_ATTEMPTS):
            headers = {"cookie": self._cookie} if self._cookie else {}
            try:
                return await fetch_resource(self._transport, uri, self._key, headers)
            except UnauthorizedError:
                if attempt == RESOURCE_ATTEMPTS - 1:
                    raise
                await self.attest()
        raise AssertionError

    async def _handshake(self) -> AttestationToken:
        async with self._in_time():
            tee = await self._evidence.tee()
        handshake = Handshake(tee, self._key, self._init_data)
        headers = {"content-type": "application/json"}
        answer = await self._transport.send("POST", "/kbs/v0/auth", body=handshake.request(), headers=headers)
        try:
            handshake.challenged(answer)
            async with self._in_time():
                additional = await self._evidence.additional_evidence(handshake.device_report_data)
                evidence = await self._evidence.evidence(handshake.primary_report_data(additional))
            if handshake.cookie is not None:
                headers["cookie"] = handshake.cookie
            body = handshake.attestation(evidence, additional)
            answer = await self._transport.send("POST", "/kbs/v0/attest", body=body, headers=headers)
            token = handshake.attested(answer)
        except MessageError as error:
            raise BrokerAnswerError(
                f"the broker's answer is of no use: {error.message}", status=answer.status
            ) from None
        self._cookie = handshake.cookie
        return token

    @contextlib.asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._evidence_seconds):
                yield
        except TimeoutError:
            raise TooLateError(
                f"no evidence came within {self._evidence_seconds:g} s",
                code="EVIDENCE-TIMEOUT",
                advice="see the kernel's log for the driver of the platform",
            ) from None
