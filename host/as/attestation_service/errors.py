"""Errors of this package.

    AttestationServiceError
    ├── RequestError                      the request is not one that this service takes
    │   └── BodyError                     the body of a REST request is not the JSON that its route takes
    ├── EvidenceRefusedError              evidence that its verifier refused: holds every finding, the cause first
    ├── EndorsementUnavailableError       a certificate that the verifier needs cannot be had: nothing was appraised
    ├── NoPolicyError                     no policy of that id for this class of evidence
    ├── AttestationPolicyError            a policy that cannot be stored or read
    ├── AppraisalError                    the policy failed, or its result is not one that a token can carry
    └── ReferenceValueError               the RVPS refused a message, or could not answer

Codes are stable. `layers` is what upstream sends in that place, outermost text first: the front ends put their own
context in front, and `wire_text` puts code and advice behind. What a caller is told holds codes and what was checked;
what was wanted and got is for the operator, and stays in `findings`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attestack_common.errors import AttestackError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attestation_protocol.tee import Tee
    from evidence_verifiers.contract import Finding


class AttestationServiceError(AttestackError):
    """Base of this package's errors."""

    default_code = "AS"

    def __init__(self, message: str, *, code: str | None = None, advice: str = "", layers: Sequence[str] = ()) -> None:
        super().__init__(message, code=code, advice=advice)
        self.layers = tuple(layers) or (message,)


class RequestError(AttestationServiceError):
    """The request is not one that this service takes."""

    default_code = "AS-REQUEST"


class BodyError(RequestError):
    """The body of a REST request is not the JSON that its route takes. `unread`: nobody looked into it."""

    default_code = "AS-BODY"

    def __init__(self, message: str, *, code: str | None = None, advice: str = "", unread: bool = False) -> None:
        super().__init__(message, code=code, advice=advice)
        self.unread = unread


class EvidenceRefusedError(AttestationServiceError):
    """Evidence that its verifier refused.

    `code` is the code of the first check that failed, or of the parser. `findings` holds every check that was made; it
    is empty where the evidence could not be read at all.
    """

    default_code = "AS-EVIDENCE"

    def __init__(
        self,
        message: str,
        *,
        tee: Tee,
        code: str | None = None,
        advice: str = "",
        layers: Sequence[str] = (),
        findings: Sequence[Finding] = (),
    ) -> None:
        super().__init__(message, code=code, advice=advice, layers=layers)
        self.tee = tee
        self.findings = tuple(findings)

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of all checks that failed, the cause first; the parser's code where no check was made."""
        return tuple(f.check.code for f in self.findings if not f.passed) or (self.code,)


class EndorsementUnavailableError(AttestationServiceError):
    """A certificate that the verifier needs cannot be had. `AS-ENDORSEMENT-MISSING`: no source has it."""

    default_code = "AS-ENDORSEMENT-UNAVAILABLE"


class NoPolicyError(AttestationServiceError):
    """No policy of that id for this class of evidence."""

    default_code = "AS-NO-POLICY"


class AttestationPolicyError(AttestationServiceError):
    """A policy that cannot be stored or read. The code is that of the policy engine or of the store."""

    default_code = "AS-POLICY"


class AppraisalError(AttestationServiceError):
    """The policy failed, or its result is not one that a token can carry."""

    default_code = "AS-APPRAISAL"


class ReferenceValueError(AttestationServiceError):
    """The RVPS refused a message, or could not answer."""

    default_code = "AS-REFERENCE-VALUE"
