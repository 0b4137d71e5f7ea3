"""Which attesters a machine needs.

The primary attester is the first, by rank, that detects its platform. A machine that is a TEE for which no attester is
installed is an error: falling back to sample evidence there would look like attestation and be none.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attestation_protocol.tee import Tee

from tee_attesters.contract import Attester, AttesterKind, Machine
from tee_attesters.errors import NoAttesterError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.metadata import EntryPoint

GROUP: Final = "attestack.attesters"

PLATFORM_MARKS: Final = {
    Tee.TDX: "dev/tdx_guest",
    Tee.SGX: "dev/attestation/attestation_type",
    Tee.SNP: "sys/devices/platform/sev-guest",
    Tee.CSV: "dev/csv-guest",
}
"""What exists on a machine that is one of these TEEs, whether or not an attester for it is installed.

The others cannot be told by a path: Azure's virtual TPMs, CCA and SE have to be asked.
"""


@dataclass(frozen=True, slots=True)
class Detected:
    """The attesters of a machine."""

    tee: Tee
    primary: Attester
    devices: dict[Tee, Attester]


def this_machine() -> Machine:
    """Return the machine that this process runs on."""
    return Machine(Path("/"), os.environ)


def installed_attesters() -> list[AttesterKind]:
    """Load every attester that is installed. Raises NoAttesterError for one that does not load."""
    return [_load(entry) for entry in entry_points(group=GROUP)]


def detect(machine: Machine, kinds: Iterable[AttesterKind]) -> Detected:
    """Choose the attesters of `machine`. Raises NoAttesterError."""
    ranked = sorted(kinds, key=lambda kind: (kind.rank, kind.tee))
    primary = next((kind for kind in ranked if kind.primary and kind.detect(machine)), None)
    if primary is None or primary.tee.is_sample:
        _refuse_unknown_platforms(machine)
    if primary is None:
        raise NoAttesterError("no attester is installed", advice="install attestack with its extra `guest`")
    devices = {kind.tee: kind.open() for kind in ranked if not kind.primary and kind.detect(machine)}
    return Detected(primary.tee, primary.open(), devices)


def _load(entry: EntryPoint) -> AttesterKind:
    try:
        kind = entry.load()
    except (ImportError, AttributeError) as error:
        kind = error
    if not isinstance(kind, AttesterKind):
        raise NoAttesterError(
            f"the attester {entry.name} does not load ({entry.value})",
            code="ATTESTER-BROKEN",
            advice="install what it needs, or remove its distribution",
        )
    return kind


def _refuse_unknown_platforms(machine: Machine) -> None:
    for tee, mark in PLATFORM_MARKS.items():
        if machine.has(mark):
            raise NoAttesterError(
                f"this machine is a TEE of kind {tee} (/{mark} exists), for which no attester is installed",
                advice="this version attests with sample evidence only; use an agent that supports the platform",
            )
