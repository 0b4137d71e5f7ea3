"""The detected attesters as the client's provider of evidence, each use of them bounded in time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from attestation_protocol.encoding import compact_json
from tee_attesters import EvidenceUnavailableError, InitDataMismatchError

from attestation_agent.errors import InitDataRefusedError

if TYPE_CHECKING:
    from attestation_protocol.tee import Tee
    from tee_attesters import Attester, Detected

EVIDENCE_SECONDS: Final = 45.0
"""Seconds that one attester may take. Callers give up after 50."""
BIND_SECONDS: Final = 45.0
"""Seconds that the platform may take to check init-data."""


class AgentEvidence:
    """Evidence of this machine."""

    def __init__(self, detected: Detected, *, seconds: float = EVIDENCE_SECONDS) -> None:
        self._detected = detected
        self._seconds = seconds

    async def tee(self) -> Tee:
        """Name the primary TEE."""
        return self._detected.tee

    @property
    def device_tees(self) -> list[Tee]:
        """The devices that have attesters, in a stable order."""
        return list(self._detected.devices)

    async def evidence(self, report_data: bytes) -> Any:  # noqa: ANN401  # its form is the TEE's own
        """Collect the primary evidence. Raises AttesterError."""
        return await self._collect(self._detected.tee, self._detected.primary, report_data)

    async def additional_evidence(self, report_data: bytes) -> str:
        """Collect the evidence of every device as JSON text; empty when there is none. Raises AttesterError."""
        devices = self._detected.devices
        if not devices:
            return ""
        collected = await asyncio.gather(*(self._collect(tee, a, report_data) for tee, a in devices.items()))
        return compact_json(dict(zip(devices, collected, strict=True))).decode()

    async def bind_init_data(self, digest: bytes) -> bool:
        """Bind a digest to the primary attester; False where it has no field for one. Raises InitDataRefusedError."""
        tee = self._detected.tee
        try:
            async with asyncio.timeout(BIND_SECONDS):
                return await self._detected.primary.bind_init_data(digest)
        except InitDataMismatchError as error:
            raise InitDataRefusedError(
                f"the init-data is not what this machine was launched with: {error.message}",
                code="AGENT-INIT-DATA-MISMATCH",
                advice="start the machine with this document, or the agent with the machine's",
            ) from None
        except TimeoutError:
            raise InitDataRefusedError(
                f"{tee} did not check the init-data within {BIND_SECONDS:g} s",
                advice="see the kernel's log for the driver of the platform",
            ) from None

    async def _collect(self, tee: Tee, attester: Attester, report_data: bytes) -> Any:  # noqa: ANN401  # as above
        try:
            async with asyncio.timeout(self._seconds):
                return await attester.evidence(report_data)
        except TimeoutError:
            raise EvidenceUnavailableError(
                f"{tee} gave no evidence within {self._seconds:g} s",
                advice="see the kernel's log for the driver of the platform",
            ) from None
