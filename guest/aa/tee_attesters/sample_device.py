"""The sample device: evidence of a device that is not there. It is used where `ENABLE_SAMPLE_DEVICE` is set."""

from __future__ import annotations

from typing import Final

from attestation_protocol.tee import Tee

from tee_attesters.contract import AttesterKind, Machine
from tee_attesters.sample import SampleAttester


def _detect(machine: Machine) -> bool:
    return "ENABLE_SAMPLE_DEVICE" in machine.environment


ATTESTER: Final = AttesterKind(
    Tee.SAMPLE_DEVICE, primary=False, rank=0, detect=_detect, open=lambda: SampleAttester("2")
)
