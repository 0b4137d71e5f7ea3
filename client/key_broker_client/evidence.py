"""Where a handshake gets its evidence from: the attesters in this process, or the Attestation Agent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from attestation_protocol.tee import Tee


class EvidenceProvider(Protocol):
    """Collects evidence that carries given report data."""

    async def tee(self) -> Tee:
        """Name the primary TEE."""
        ...

    async def evidence(self, report_data: bytes) -> Any:  # noqa: ANN401  # its form is the TEE's own
        """Collect the primary evidence, a JSON value."""
        ...

    async def additional_evidence(self, report_data: bytes) -> str:
        """Collect device evidence: the JSON text of an object, TEE name to evidence; empty when there is no device."""
        ...
