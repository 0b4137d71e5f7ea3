"""Attesters: they collect evidence, one module for each TEE."""

from tee_attesters.contract import Attester, AttesterKind, Machine
from tee_attesters.detection import Detected, detect, installed_attesters, this_machine
from tee_attesters.errors import AttesterError, EvidenceUnavailableError, InitDataMismatchError, NoAttesterError

__all__ = [
    "Attester",
    "AttesterError",
    "AttesterKind",
    "Detected",
    "EvidenceUnavailableError",
    "InitDataMismatchError",
    "Machine",
    "NoAttesterError",
    "detect",
    "installed_attesters",
    "this_machine",
]
