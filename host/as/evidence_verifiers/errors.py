"""Errors of this package.

Evidence that is refused is a Verdict, not an error; what cannot be read raises
`attestation_protocol.errors.EvidenceFormatError`.

    AttestackError
    └── VerifierError             a verifier cannot be used
        └── NoVerifierError       no verifier is installed for this TEE
"""

from __future__ import annotations

from attestack_common.errors import AttestackError


class VerifierError(AttestackError):
    """A verifier cannot be used."""

    default_code = "VERIFIER"


class NoVerifierError(VerifierError):
    """No verifier is installed for this TEE."""

    default_code = "VERIFIER-NONE"
