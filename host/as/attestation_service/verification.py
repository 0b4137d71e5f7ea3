"""One piece of evidence, from request to verified claims.

    binding_of -> parse -> requirements -> fetch -> verify

Whatever is not accepted is an error with the code of its cause; there are claims only for what was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from attestation_protocol.errors import EvidenceFormatError
from attestation_protocol.records import Record
from evidence_verifiers.errors import VerifierError
from evidence_verifiers.registry import verifier_for

from attestation_service.binding import binding_of
from attestation_service.errors import EvidenceRefusedError, RequestError
from attestation_service.verifier_texts import format_text, refusal_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from attestation_protocol.tee import Tee
    from evidence_verifiers.contract import Finding, Verdict, Verifier

    from attestation_service.binding import Binding
    from attestation_service.contract import EvidenceRequest
    from attestation_service.endorsements import Endorsements


class Verified(Record, frozen=True):
    """Evidence that its verifier accepted."""

    HIDDEN: ClassVar = frozenset({"claims"})

    tee: Tee
    tee_class: str
    binding: Binding
    claims: Mapping[str, Any]
    findings: tuple[Finding, ...]


class Verification:
    """Verifies evidence with the verifiers that are installed, under the floors of the configuration."""

    def __init__(
        self,
        endorsements: Endorsements,
        floors: Mapping[Tee, Any],
        find: Callable[[Tee], Verifier[Any, Any]] = verifier_for,
    ) -> None:
        self._endorsements = endorsements
        self._floors = floors
        self._find = find

    def verifier(self, tee: Tee) -> Verifier[Any, Any]:
        """Find the verifier of a TEE. Raises RequestError (VERIFIER-NONE)."""
        try:
            return self._find(tee)
        except VerifierError as error:
            layers = (f"feature `{tee}-verifier` is not enabled for `verifier` crate.",)
            raise RequestError(error.message, code=error.code, advice=error.advice, layers=layers) from error

    async def verify(self, request: EvidenceRequest, now: datetime) -> Verified:
        """Verify one piece of evidence.

        Raises:
            RequestError: nothing can be verified as it was asked.
            EndorsementUnavailableError: a certificate that is needed cannot be had.
            EvidenceRefusedError: the evidence is refused.
        """
        verifier = self.verifier(request.tee)
        binding = binding_of(request)
        try:
            evidence = verifier.parse(request.evidence)
        except EvidenceFormatError as error:
            raise EvidenceRefusedError(
                f"the evidence cannot be read: {error.message}",
                tee=request.tee,
                code=error.code,
                advice=error.advice or "send the evidence as the attester made it",
                layers=(format_text(request.tee, error.message),),
            ) from error
        needed = verifier.requirements(evidence)
        endorsements = await self._endorsements.fetch(needed) if needed else {}
        floors = self._floors.get(request.tee)
        floors = verifier.floors() if floors is None else floors
        verdict = verifier.verify(evidence, endorsements, binding.expected, floors, now)
        if verdict.claims is None:
            raise _refused(request.tee, verdict)
        self._endorsements.prove(needed, endorsements)
        return Verified(request.tee, verifier.tee_class, binding, verdict.claims, verdict.findings)


def _refused(tee: Tee, verdict: Verdict) -> EvidenceRefusedError:
    """Say which checks failed, the cause first. What was wanted and got stays in the findings."""
    cause, *others = verdict.failed
    also = ", ".join(finding.check.code for finding in others)
    return EvidenceRefusedError(
        f"{tee} evidence refused: not so: {cause.check.what}",
        tee=tee,
        code=cause.check.code,
        advice=f"not so: {cause.check.what}" + (f"; nor {also}" if also else ""),
        layers=(refusal_text(cause.check.code, f"not so: {cause.check.what}"),),
        findings=verdict.findings,
    )
