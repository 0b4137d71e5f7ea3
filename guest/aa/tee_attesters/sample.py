"""The sample attester: evidence that proves nothing, so that the flow can be tried on any machine.

Evidence: `{"svn": "1", "report_data": "<base64 of the report data, as it is>"}`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from attestation_protocol.encoding import b64std_encode
from attestation_protocol.tee import Tee

from tee_attesters.contract import AttesterKind, Machine

LAST: Final = 1000
"""The rank of the attester that is used where no other is."""


@dataclass(frozen=True, slots=True)
class SampleAttester:
    """Answers at once, with whatever report data it is given."""

    svn: str

    async def evidence(self, report_data: bytes) -> Any:  # noqa: ANN401  # as the contract says
        """Return evidence of any length of report data."""
        return {"svn": self.svn, "report_data": b64std_encode(report_data)}

    async def bind_init_data(self, digest: bytes) -> bool:  # noqa: ARG002  # there is no field for it
        """Say that there is no field for init-data."""
        return False


def _detect(machine: Machine) -> bool:  # noqa: ARG001  # it needs nothing of the machine
    return True


ATTESTER: Final = AttesterKind(Tee.SAMPLE, primary=True, rank=LAST, detect=_detect, open=lambda: SampleAttester("1"))
