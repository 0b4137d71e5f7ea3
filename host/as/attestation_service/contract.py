"""What is asked of an attestation service, and what it answers, whatever way the question came.

A request holds one or more pieces of evidence. Each is verified on its own and becomes a submodule of one token; if one
is refused, the whole request is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from attestation_protocol.hashes import HashAlgorithm
from attestation_protocol.records import Record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from attestation_protocol.ear import AttestationResult
    from attestation_protocol.init_data import InitData
    from attestation_protocol.tee import Tee
    from evidence_verifiers.contract import Finding


class RawRuntimeData(Record, frozen=True):
    """Bytes that the report data must equal, unhashed."""

    data: bytes


class StructuredRuntimeData(Record, frozen=True):
    """A JSON value; the report data must equal the digest of its canonical form. It becomes `runtime_data_claims`."""

    value: Any


class StructuredInitData(Record, frozen=True):
    """Init-data as a JSON value, in requests of the older form; bound by the digest of its canonical form."""

    value: Any
    algorithm: HashAlgorithm


class EvidenceRequest(Record, frozen=True):
    """One piece of evidence, with what it is expected to be bound to (None: nothing is expected)."""

    HIDDEN: ClassVar = frozenset({"evidence"})

    tee: Tee
    evidence: Any
    """The evidence as a JSON value."""
    runtime_data: RawRuntimeData | StructuredRuntimeData | None = None
    runtime_data_hash: HashAlgorithm = HashAlgorithm.SHA384
    init_data: InitData | StructuredInitData | bytes | None = None
    """A document, or the bare digest of one."""


class Appraisal(Record, frozen=True):
    """What came of a request: the signed token, and what it was made from."""

    HIDDEN: ClassVar = frozenset({"token"})

    token: str
    result: AttestationResult
    findings: Mapping[str, tuple[Finding, ...]]
    """By submodule, every check that was made."""
    policy_hashes: Mapping[str, str]
    """By submodule, the SHA-384 of the policy's text in lower-case hex."""


class AttestationBackend(Protocol):
    """An attestation service as its callers see it: built in, or behind a wire."""

    async def evaluate(self, requests: Sequence[EvidenceRequest], policy_ids: Sequence[str] = ()) -> str:
        """Appraise, and return a token. Raises AttestationServiceError."""
        ...

    async def set_policy(self, policy_id: str, policy_base64url: str) -> None:
        """Check and store a policy under its full id, for example `default_cpu`. Raises AttestationServiceError."""
        ...

    async def register_reference_value(self, message: str) -> None:
        """Pass a registration message to the RVPS. Raises AttestationServiceError."""
        ...

    async def query_reference_value(self, reference_value_id: str) -> Any:  # noqa: ANN401  # any JSON value
        """Return a reference value, or None when there is none. Raises AttestationServiceError."""
        ...

    async def challenge(self, tee: Tee, parameters: str) -> str:
        """Return what a TEE needs beside the nonce (only `se` does); empty for the others."""
        ...
