"""The attestation service in this process: evidence in, signed token out.

    each piece of evidence     verified on its own (`verification`), laid out as policy input (`appraisal`)
    each that was accepted     appraised by the policy `<first policy id>_<class>`: a submodule
    then                       one token over all submodules

The first refusal ends the request: there is no token over a part of the evidence. Each request leaves one record
(`decisions`), whatever came of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from attestack_common.errors import AttestackError, code_and_advice
from attestack_common.logs import get_logger
from attestation_protocol.ear import AttestationResult, VerifierId, submodule_names
from reference_value_provider.service import MISSING

from attestation_service.appraisal import policy_input
from attestation_service.contract import Appraisal
from attestation_service.decisions import DecisionRecord, EvidenceDecision
from attestation_service.errors import (
    AttestationServiceError,
    EvidenceRefusedError,
    ReferenceValueError,
    RequestError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AsyncExitStack
    from datetime import datetime

    from attestack_common.clock import Clock
    from attestation_protocol.ear import Submodule
    from attestation_protocol.tee import Tee
    from evidence_verifiers.contract import Finding

    from attestation_service.attestation_policies import AttestationPolicies
    from attestation_service.config import TokenBrokerConfig
    from attestation_service.contract import EvidenceRequest
    from attestation_service.verification import Verification, Verified

DEFAULT_POLICY: Final = "default"
MAX_EVIDENCE: Final = 64
"""Pieces of evidence in one request at the most."""

_LOG: Final = get_logger("as")


class ReferenceValueStore(Protocol):
    """The reference value provider, as this service sees it. All raise AttestackError."""

    async def register(self, message: str) -> object:
        """Take a registration message."""
        ...

    async def query(self, reference_value_id: str) -> Any:  # noqa: ANN401  # any JSON value
        """Return a value, or MISSING."""
        ...

    async def query_many(self, ids: Sequence[str]) -> Mapping[str, Any]:
        """Return the values of those ids that have one."""
        ...


class TokenIssuer(Protocol):
    """What makes a token of a result, and is known by its key."""

    @property
    def jwk(self) -> dict[str, Any]:
        """The public key."""
        ...

    def issue(self, result: AttestationResult, policy_hashes: Mapping[str, str]) -> str:
        """Encode and sign; the hashes are by submodule. Raises AppraisalError: the form has no place for the result."""
        ...

    def jwks(self) -> dict[str, Any]:
        """Return the JWK set."""
        ...


class BuiltInAttestationService:
    """An `AttestationBackend` in this process. `assembly` puts one together from configuration and storage."""

    def __init__(
        self,
        *,
        broker: TokenBrokerConfig,
        signer: TokenIssuer,
        verification: Verification,
        policies: AttestationPolicies,
        reference_values: ReferenceValueStore,
        clock: Clock,
        record: Callable[[DecisionRecord], None],
        closing: AsyncExitStack | None = None,
    ) -> None:
        self._broker = broker
        self._verifier_id = VerifierId(broker.developer_name, broker.build_name)
        self._signer = signer
        self._verification = verification
        self._policies = policies
        self._reference_values = reference_values
        self._clock = clock
        self._record = record
        self._closing = closing

    async def evaluate(self, requests: Sequence[EvidenceRequest], policy_ids: Sequence[str] = ()) -> str:
        """Appraise, and return a token. Raises AttestationServiceError."""
        return (await self.appraise(requests, policy_ids)).token

    async def appraise(self, requests: Sequence[EvidenceRequest], policy_ids: Sequence[str] = ()) -> Appraisal:
        """Appraise, and return the token with what it was made from. Raises AttestationServiceError."""
        now = self._clock()
        decided: list[EvidenceDecision] = []
        try:
            _require_evidence(requests)
            verified = [await self._verify(request, now, decided) for request in requests]
            appraisal = await self._issue(verified, _first(policy_ids), now, decided)
        except Exception as error:
            code, _ = code_and_advice(error)
            reason = error.message if isinstance(error, AttestackError) else type(error).__name__
            self._record(DecisionRecord(now, tuple(decided), code, reason))
            raise
        self._record(DecisionRecord(now, tuple(decided)))
        return appraisal

    async def _verify(self, request: EvidenceRequest, now: datetime, decided: list[EvidenceDecision]) -> Verified:
        try:
            verified = await self._verification.verify(request, now)
        except EvidenceRefusedError as error:
            decided.append(EvidenceDecision(error.tee, error.findings))
            raise
        except AttestationServiceError:
            decided.append(EvidenceDecision(request.tee))
            raise
        decided.append(EvidenceDecision(verified.tee, verified.findings))
        return verified

    async def _issue(
        self, verified: Sequence[Verified], policy_id: str, now: datetime, decided: list[EvidenceDecision]
    ) -> Appraisal:
        names = submodule_names([each.tee_class for each in verified])
        submodules: dict[str, Submodule] = {}
        findings: dict[str, tuple[Finding, ...]] = {}
        hashes: dict[str, str] = {}
        for position, (name, each) in enumerate(zip(names, verified, strict=True)):
            laid_out = policy_input(each.tee, each.claims, each.binding, verbose=self._broker.verbose_token)
            submodules[name], hashes[name] = await self._policies.appraise(
                policy_id, each.tee_class, laid_out, self._reference_values.query_many
            )
            findings[name] = each.findings
            stored_id, status = f"{policy_id}_{each.tee_class}", submodules[name].trust_vector.status
            decided[position] = EvidenceDecision(each.tee, each.findings, name, stored_id, hashes[name], status)
        result = self._result(submodules, int(now.timestamp()))
        return Appraisal(self._signer.issue(result, hashes), result, findings, hashes)

    def _result(self, submodules: dict[str, Submodule], issued_at: int) -> AttestationResult:
        broker = self._broker
        return AttestationResult(
            profile=broker.profile_name,
            issued_at=issued_at,
            expires=issued_at + 60 * broker.duration_min,
            issuer=broker.issuer_name,
            verifier_id=self._verifier_id,
            submodules=submodules,
        )

    async def set_policy(self, policy_id: str, policy_base64url: str) -> None:
        """Check and store a policy under its full id, for example `default_cpu`. Raises AttestationPolicyError."""
        await self._policies.set(policy_id, policy_base64url)
        _LOG.info("attestation policy set", policy_id=policy_id)

    async def policies(self) -> list[str]:
        """Return the full ids of the stored policies, sorted. Raises AttestationPolicyError."""
        return await self._policies.ids()

    async def policy(self, policy_id: str) -> str:
        """Return the text of a policy by its full id. Raises NoPolicyError, AttestationPolicyError."""
        return await self._policies.text(policy_id)

    async def register_reference_value(self, message: str) -> None:
        """Pass a registration message to the RVPS. Raises ReferenceValueError."""
        try:
            await self._reference_values.register(message)
        except AttestackError as error:
            raise _reference_value_error("register reference value", error) from error

    async def query_reference_value(self, reference_value_id: str) -> Any:  # noqa: ANN401  # any JSON value
        """Return a reference value, or None when there is none. Raises ReferenceValueError."""
        try:
            value = await self._reference_values.query(reference_value_id)
        except AttestackError as error:
            raise _reference_value_error("query reference values", error) from error
        return None if value is MISSING else value

    async def challenge(self, tee: Tee, parameters: str) -> str:  # noqa: ARG002  # for the TEE that needs them
        """Return what a TEE needs beside the nonce: nothing, for every TEE that has a verifier. Raises RequestError."""
        self._verification.verifier(tee)
        return ""

    async def close(self) -> None:
        """Close what was opened for this service."""
        if self._closing is not None:
            await self._closing.aclose()

    @property
    def reference_values(self) -> ReferenceValueStore:
        """The reference value provider behind this service."""
        return self._reference_values

    @property
    def signing_jwk(self) -> dict[str, Any]:
        """The public key that tokens are signed with."""
        return self._signer.jwk

    def jwks(self) -> dict[str, Any]:
        """Return the JWK set (RFC 7517 section 5) that tokens can be checked with."""
        return self._signer.jwks()


def _require_evidence(requests: Sequence[EvidenceRequest]) -> None:
    if not requests:
        raise RequestError(
            "No verification requests provided.", code="AS-NO-EVIDENCE", advice="send at least one piece of evidence"
        )
    if len(requests) > MAX_EVIDENCE:
        raise RequestError(
            f"a request holds at most {MAX_EVIDENCE} pieces of evidence, not {len(requests)}",
            code="AS-TOO-MUCH-EVIDENCE",
        )


def _first(policy_ids: Sequence[str]) -> str:
    if len(policy_ids) > 1:
        _LOG.warning("only the first policy id is used", used=policy_ids[0], ignored=len(policy_ids) - 1)
    return policy_ids[0] if policy_ids else DEFAULT_POLICY


def _reference_value_error(text: str, error: AttestackError) -> ReferenceValueError:
    return ReferenceValueError(
        f"{text}: {error.message}", code=error.code, advice=error.advice, layers=(text, error.message)
    )
