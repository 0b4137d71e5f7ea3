"""An attestation service with a time limit on each call: stock guests wait 60 s for an answer, and get one before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from attestack_common.deadlines import within
from attestation_service.errors import AttestationServiceError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from attestation_protocol.tee import Tee
    from attestation_service.contract import AttestationBackend, EvidenceRequest

T = TypeVar("T")

SECONDS: Final = 50.0


class BoundedBackend:
    """Passes each call on, and raises AttestationServiceError (AS-TIMEOUT) for one that does not end in time."""

    def __init__(self, backend: AttestationBackend, seconds: float = SECONDS) -> None:
        self._backend = backend
        self._seconds = seconds

    async def evaluate(self, requests: Sequence[EvidenceRequest], policy_ids: Sequence[str] = ()) -> str:
        """Appraise, and return a token. Raises AttestationServiceError."""
        return await self._in_time(self._backend.evaluate(requests, policy_ids))

    async def set_policy(self, policy_id: str, policy_base64url: str) -> None:
        """Check and store an attestation policy. Raises AttestationServiceError."""
        await self._in_time(self._backend.set_policy(policy_id, policy_base64url))

    async def register_reference_value(self, message: str) -> None:
        """Pass a registration message on. Raises AttestationServiceError."""
        await self._in_time(self._backend.register_reference_value(message))

    async def query_reference_value(self, reference_value_id: str) -> Any:  # noqa: ANN401  # any JSON value
        """Return a reference value, or None. Raises AttestationServiceError."""
        return await self._in_time(self._backend.query_reference_value(reference_value_id))

    async def challenge(self, tee: Tee, parameters: str) -> str:
        """Return what a TEE needs beside the nonce. Raises AttestationServiceError."""
        return await self._in_time(self._backend.challenge(tee, parameters))

    async def _in_time(self, answer: Awaitable[T]) -> T:
        try:
            return await within(self._seconds, answer)
        except TimeoutError:
            raise AttestationServiceError(
                f"the attestation service did not answer in {self._seconds:g} seconds",
                code="AS-TIMEOUT",
                advice="try again; the operator's log says what the service waited for",
            ) from None
