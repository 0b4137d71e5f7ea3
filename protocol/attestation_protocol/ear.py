"""EAT attestation results (EAR, draft-fv-rats-ear; trust vector: draft-ietf-rats-ar4si).

A token has one submodule for each piece of evidence, named after its class and counted per class: `cpu0`, `gpu0`,
`gpu1`. Each says `ear.status`, the worst tier over the claims of its trustworthiness vector, integers in -128..127:

    none              -1, 0, 1                 no claim is made
    affirming         -32..-2,   2..31
    warning           -96..-33, 32..95
    contraindicated   all others
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import msgspec

from attestation_protocol.encoding import compact_plain, sorted_json
from attestation_protocol.errors import MessageError
from attestation_protocol.records import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

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


class Tier(StrEnum):
    """The tier of a claim, and the status of a submodule. `worse_than` orders them."""

    NONE = "none"
    AFFIRMING = "affirming"
    WARNING = "warning"
    CONTRAINDICATED = "contraindicated"

    @classmethod
    def of(cls, value: int) -> Self:
        """Return the tier of one claim's value."""
        if value in range(-1, 2):
            return cls.NONE
        if value in range(-32, 32):
            return cls.AFFIRMING
        return cls.WARNING if value in range(-96, 96) else cls.CONTRAINDICATED

    def worse_than(self, other: Tier) -> bool:
        """Whether this tier is worse."""
        return _ORDER[self] > _ORDER[other]


_TIERS: Final = tuple(Tier)
_ORDER: Final = {tier: position for position, tier in enumerate(_TIERS)}
_ORDER_OF: Final = {value: _ORDER[Tier.of(value)] for value in range(-128, 128)}
"""Of each value that a claim can have, the position of its tier."""
_CLAIMS: Final = frozenset(TRUST_CLAIMS)


class TrustVector(Record, frozen=True):
    """A trustworthiness vector: the claims that were made, by name."""

    claims: Mapping[str, Any]
    """Integers, once the vector stands: other values refuse it."""

    def __post_init__(self) -> None:
        """Refuse names and values that AR4SI does not have. Raises MessageError (EAR-TRUST-VECTOR)."""
        for name, value in self.claims.items():
            if name not in _CLAIMS:
                raise MessageError(
                    f"{name!r:.60} is not a claim of a trustworthiness vector",
                    code="EAR-TRUST-VECTOR",
                    advice=f"a policy may set {', '.join(TRUST_CLAIMS)}",
                )
            if type(value) is not int or value not in _ORDER_OF:
                raise MessageError(
                    f"the trust claim `{name}` is not an integer in -128..127",
                    code="EAR-TRUST-VECTOR",
                    advice="see the values of draft-ietf-rats-ar4si",
                )

    @property
    def status(self) -> Tier:
        """The worst tier over the claims that were made; `none` where there are none."""
        return _TIERS[max(map(_ORDER_OF.__getitem__, self.claims.values()), default=0)]

    def to_json(self) -> dict[str, int]:
        """Return the claims in their order on the wire."""
        return {name: self.claims[name] for name in TRUST_CLAIMS if name in self.claims}


class Submodule(Record, frozen=True):
    """The appraisal of one piece of evidence."""

    HIDDEN: ClassVar = frozenset({"annotated_evidence", "extensions", "annotated_json"})

    trust_vector: TrustVector
    policy_id: str
    """The policy as the caller named it, without the class."""
    annotated_evidence: Mapping[str, Any]
    """Exactly the input of the policy."""
    extensions: Mapping[str, Any] = {}
    annotated_json: bytes = b""
    """The annotated evidence as `sorted_json` encodes it, where that was done already."""

    def to_json(self) -> bytes:
        """Encode compactly, members in their order on the wire; evidence and extensions are sorted throughout."""
        return compact_plain(
            {
                STATUS: self.trust_vector.status,
                TRUST_VECTOR: self.trust_vector.to_json(),
                POLICY_ID: self.policy_id,
                ANNOTATED_EVIDENCE: msgspec.Raw(self.annotated_json or sorted_json(self.annotated_evidence)),
                **{name: msgspec.Raw(sorted_json(it)) for name, it in self.extensions.items() if it is not None},
            }
        )


class VerifierId(Record, frozen=True):
    """Who appraised."""

    developer: str
    build: str


class AttestationResult(Record, frozen=True):
    """The claims of a token, before they are signed."""

    profile: str
    issued_at: int
    """Seconds since the epoch."""
    expires: int
    """Seconds since the epoch."""
    issuer: str
    verifier_id: VerifierId
    submodules: Mapping[str, Submodule]

    def to_json(self) -> bytes:
        """Encode compactly, members in their order on the wire."""
        return compact_plain(
            {
                "eat_profile": self.profile,
                "iat": self.issued_at,
                "ear.verifier-id": {"developer": self.verifier_id.developer, "build": self.verifier_id.build},
                "submods": {name: msgspec.Raw(submodule.to_json()) for name, submodule in self.submodules.items()},
                "exp": self.expires,
                "iss": self.issuer,
            }
        )


def submodule_names(classes: list[str]) -> list[str]:
    """Name submodules after their classes, counted per class in the order given: `cpu0`, `gpu0`, `gpu1`."""
    counts: dict[str, int] = {}
    names = []
    for tee_class in classes:
        number = counts.get(tee_class, 0)
        counts[tee_class] = number + 1
        names.append(f"{tee_class}{number}")
    return names
