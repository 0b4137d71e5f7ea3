"""Errors of the attesters.

AttesterError                     base
├── NoAttesterError               the machine is a TEE that no installed attester knows how to speak to
├── EvidenceUnavailableError      the platform did not give evidence
└── InitDataMismatchError         the platform was launched with other init-data
"""

from __future__ import annotations

from attestack_common.errors import AttestackError


class AttesterError(AttestackError):
    """Base of the attesters' errors."""

    default_code = "ATTESTER"


class NoAttesterError(AttesterError):
    """The machine is a TEE that no installed attester knows how to speak to."""

    default_code = "ATTESTER-NONE"


class EvidenceUnavailableError(AttesterError):
    """The platform did not give evidence."""

    default_code = "ATTESTER-EVIDENCE"


class InitDataMismatchError(AttesterError):
    """The platform was launched with other init-data."""

    default_code = "ATTESTER-INIT-DATA"
