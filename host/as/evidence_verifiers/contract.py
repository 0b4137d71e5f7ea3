"""What every verifier is made of. Appraisal, explanation and audit read these objects and nothing else.

A verifier is one module named after its TEE. It lists its `Check`s once at the top, and offers

    parse(evidence)                                   JSON value -> typed evidence; raises EvidenceFormatError
    requirements(evidence)                            which endorsements (certificates, CRLs) it needs
    verify(evidence, endorsements, expected, floors, now, anchors=PINNED) -> Verdict

All three are pure. The service fetches what `requirements` names, from places that its configuration names: no URL is
ever taken from evidence. `now` is a parameter; no configuration key sets anchors. Every check made is a finding,
passed or not; checks that make sense only on authentic bytes are made only when the signatures hold. A claim exists
only in an accepted verdict.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from attestation_protocol.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from attestation_protocol.tee import Tee


class Check(Record, frozen=True):
    """Something that a verifier checks: a stable code, what it is, and the specification that demands it."""

    code: str
    what: str
    specification: str

    def made(self, *, passed: bool, wanted: object, got: object) -> Finding:
        """Record that this check was made. Values are public, never secrets."""
        return Finding(self, str(wanted), str(got), passed)


class Finding(Record, frozen=True):
    """One check that was made: what it wanted, what it got."""

    check: Check
    wanted: str
    got: str
    passed: bool


class Verdict(Record, frozen=True):
    """All findings, in the order of the checks. There are claims only if all passed."""

    findings: tuple[Finding, ...]
    claims: Mapping[str, Any] | None

    @property
    def failed(self) -> tuple[Finding, ...]:
        """The findings that refuse the evidence, the cause first."""
        return tuple(f for f in self.findings if not f.passed)

    @property
    def cause(self) -> Finding | None:
        """The first check that failed."""
        return next((f for f in self.findings if not f.passed), None)


class Expected(Record, frozen=True):
    """What the relying party expects the evidence to be bound to. None: the caller does not ask; not compared."""

    report_data: bytes | None = None
    """The bytes that the guest had to put into the report; the verifier pads them to its field as its sheet says."""
    init_data: bytes | None = None
    """The digest of the init-data; the verifier pads or cuts it to its field as its sheet says."""


@dataclass(frozen=True, slots=True)
class EndorsementRequest:
    """Something that the service has to find before evidence can be verified.

    The paths are relative and made of typed values of the parsed evidence only, never of its text. The service joins
    them to the places that its configuration names for `source`.
    """

    name: str
    """The key under which `verify` looks for it."""
    source: str
    """Which kind of place has it, for example `kds` for AMD's key distribution service."""
    path: str
    """Path and query below the base URL of an online source."""
    offline: tuple[str, ...] = ()
    """Paths below the folder of an offline store, the first that exists is taken."""


Evidence = TypeVar("Evidence")
Floors = TypeVar("Floors")


@dataclass(frozen=True, slots=True)
class Verifier(Generic[Evidence, Floors]):
    """A verifier as the registry (entry points `attestack.verifiers`, named by TEE) hands it out."""

    tee: Tee
    tee_class: str
    """`cpu`, `gpu`, …: what submodules and default policies are named after."""
    checks: tuple[Check, ...]
    parse: Callable[[Any], Evidence]
    requirements: Callable[[Evidence], tuple[EndorsementRequest, ...]]
    verify: Callable[[Evidence, Mapping[str, bytes], Expected, Floors, datetime], Verdict]
    floors: type[Floors]
    """A frozen dataclass whose fields are the keys of `verifier_config.<tee>_verifier`; what no policy can allow."""
    config_key: str = field(default="")
    """The table of `verifier_config` that holds the floors; empty where there are none."""


@dataclass(frozen=True, slots=True)
class NoFloors:
    """The floors of a TEE that has none."""


def pad(data: bytes, size: int) -> bytes:
    """Fill with zeros at the end, or cut, to `size` bytes: how digests are put into hardware fields."""
    return data[:size].ljust(size, b"\0")
