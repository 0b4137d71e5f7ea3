"""EAT attestation results (EAR, draft-fv-rats-ear; trust vector: draft-ietf-rats-ar4si).

A token has one submodule for each piece of evidence, named after its class and counted per class: `cpu0`, `gpu0`,
`gpu1`. Each says `ear.status`, the worst tier over the claims of its trustworthiness vector, integers in -128..127:

    none              -1, 0, 1                 no claim is made
    affirming         -32..-2,   2..31
    warning           -96..-33, 32..95
    contraindicated   all others
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Self

from attestation_protocol.errors import MessageError

TRUST_CLAIMS: Final = (
    "instance-identity",
    "configuration",
    "executables",
    "file-system",
    "hardware",
    "runtime-opaque",
    "storage-opaque",
    "sourced-data",
)
"""The claims of a trustworthiness vector, in the order of their CBOR keys 0 to 7."""

ANNOTATED_EVIDENCE: Final = "ear.veraison.annotated-evidence"
TRUST_VECTOR: Final = "ear.trustworthiness-vector"
STATUS: Final = "ear.status"
POLICY_ID: Final = "ear.appraisal-policy-id"
RESERVED_MEMBERS: Final = frozenset({ANNOTATED_EVIDENCE, TRUST_VECTOR, STATUS, POLICY_ID})

_NONE: Final = range(-1, 2)
_AFFIRMING: Final = range(-32, 32)
_WARNING: Final = range(-96, 96)
_BYTE: Final = range(-128, 128)


class Tier(StrEnum):
    """The tier of a claim, and the status of a submodule. `worse_than` orders them."""

    NONE = "none"
    AFFIRMING = "affirming"
    WARNING = "warning"
    CONTRAINDICATED = "contraindicated"

    @classmethod
    def of(cls, value: int) -> Self:
        """Return the tier of one claim's value."""
        if value in _NONE:
            return cls.NONE
        if value in _AFFIRMING:
            return cls.AFFIRMING
        return cls.WARNING if value in _WARNING else cls.CONTRAINDICATED

    def worse_than(self, other: Tier) -> bool:
        """Whether this tier is worse."""
        return _ORDER[self] > _ORDER[other]


_ORDER: Final = {tier: position for position, tier in enumerate(Tier)}


@dataclass(frozen=True, slots=True)
class TrustVector:
    """A trustworthiness vector: the claims that were made, by name."""

    claims: Mapping[str, Any]
    """Integers, once the vector stands: other values refuse it."""

    def __post_init__(self) -> None:
        """Refuse names and values that AR4SI does not have. Raises MessageError (EAR-TRUST-VECTOR)."""
        for name, value in self.claims.items():
            if name not in TRUST_CLAIMS:
                raise MessageError(
                    f"{name!r:.60} is not a claim of a trustworthiness vector",
                    code="EAR-TRUST-VECTOR",
                    advice=f"a policy may set {', '.join(TRUST_CLAIMS)}",
                )
            if isinstance(value, bool) or not isinstance(value, int) or value not in _BYTE:
                raise MessageError(
                    f"the trust claim `{name}` is not an integer in -128..127",
                    code="EAR-TRUST-VECTOR",
                    advice="see the values of draft-ietf-rats-ar4si",
                )

    @property
    def status(self) -> Tier:
        """The worst tier over the claims that were made; `none` where there are none."""
        worst = Tier.NONE
        for value in self.claims.values():
            tier = Tier.of(value)
            if tier.worse_than(worst):
                worst = tier
        return worst

    def to_json(self) -> dict[str, int]:
        """Return the claims in their order on the wire."""
        return {name: self.claims[name] for name in TRUST_CLAIMS if name in self.claims}


@dataclass(frozen=True, slots=True)
class Submodule:
    """The appraisal of one piece of evidence."""

    trust_vector: TrustVector
    policy_id: str
    """The policy as the caller named it, without the class."""
    annotated_evidence: Mapping[str, Any] = field(repr=False)
    """Exactly the input of the policy."""
    extensions: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return the members of the submodule, in their order on the wire; annotated evidence is sorted throughout."""
        return {
            STATUS: str(self.trust_vector.status),
            TRUST_VECTOR: self.trust_vector.to_json(),
            POLICY_ID: self.policy_id,
            ANNOTATED_EVIDENCE: _sorted(self.annotated_evidence),
            **{name: _sorted(value) for name, value in self.extensions.items() if value is not None},
        }


@dataclass(frozen=True, slots=True)
class VerifierId:
    """Who appraised."""

    developer: str
    build: str


@dataclass(frozen=True, slots=True)
class AttestationResult:
    """The claims of a token, before they are signed."""

    profile: str
    issued_at: int
    """Seconds since the epoch."""
    expires: int
    """Seconds since the epoch."""
    issuer: str
    verifier_id: VerifierId
    submodules: Mapping[str, Submodule]

    def to_json(self) -> dict[str, Any]:
        """Return the claims in their order on the wire."""
        return {
            "eat_profile": self.profile,
            "iat": self.issued_at,
            "ear.verifier-id": {"developer": self.verifier_id.developer, "build": self.verifier_id.build},
            "submods": {name: submodule.to_json() for name, submodule in self.submodules.items()},
            "exp": self.expires,
            "iss": self.issuer,
        }


def submodule_names(classes: list[str]) -> list[str]:
    """Name submodules after their classes, counted per class in the order given: `cpu0`, `gpu0`, `gpu1`."""
    counts: dict[str, int] = {}
    names = []
    for tee_class in classes:
        number = counts.get(tee_class, 0)
        counts[tee_class] = number + 1
        names.append(f"{tee_class}{number}")
    return names


def _sorted(value: Any) -> Any:  # noqa: ANN401  # JSON in, JSON out
    if value is None or isinstance(value, (str, int, float)):
        return value  # first: asking whether a number is a Mapping costs as much as all the rest
    if isinstance(value, Mapping):
        return {name: _sorted(value[name]) for name in sorted(value)}
    if isinstance(value, (list, tuple)):
        return [_sorted(item) for item in value]
    return value
