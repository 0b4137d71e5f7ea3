"""What every attester is made of: a module named after its TEE, found by its entry point in `attestack.attesters`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from attestation_protocol.tee import Tee


@dataclass(frozen=True, slots=True)
class Machine:
    """What detection looks at: the root of the file system, and the environment."""

    root: Path
    environment: Mapping[str, str]

    def has(self, path: str) -> bool:
        """Whether a path, written without its leading slash, exists."""
        return (self.root / path).exists()


class Attester(Protocol):
    """Collects the evidence of one TEE."""

    async def evidence(self, report_data: bytes) -> Any:  # noqa: ANN401  # its form is the TEE's own
        """Collect evidence that carries `report_data`, padded as the TEE's sheet says. Raises AttesterError."""
        ...

    async def bind_init_data(self, digest: bytes) -> bool:
        """Check the digest against the platform's field, or extend it into a register; False: the platform has neither.

        Raises InitDataMismatchError.
        """
        ...


@dataclass(frozen=True, slots=True)
class AttesterKind:
    """An attester as the registry hands it out."""

    tee: Tee
    primary: bool
    """Whether it speaks for the machine; otherwise for a device in it, and all that are detected are used."""
    rank: int
    """Primary attesters are tried from the lowest rank up, and the first that detects its platform is used."""
    detect: Callable[[Machine], bool]
    open: Callable[[], Attester]
