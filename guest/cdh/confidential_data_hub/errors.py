"""Errors of the hub.

HubError                         base
├── AgentUnavailableError        the Attestation Agent does not answer, or gives no token
├── OfflineResourceError         a resource that no file has, or a file of resources that cannot be used
└── CredentialError              a file that the configuration wants cannot be fetched or written
"""

from __future__ import annotations

from attestack_common.errors import AttestackError


class HubError(AttestackError):
    """Base of the hub's errors."""

    default_code = "HUB"


class AgentUnavailableError(HubError):
    """The Attestation Agent does not answer, or gives no token."""

    default_code = "HUB-AGENT"


class OfflineResourceError(HubError):
    """A resource that no file has, or a file of resources that cannot be used."""

    default_code = "HUB-OFFLINE"


class CredentialError(HubError):
    """A file that the configuration wants cannot be fetched or written."""

    default_code = "HUB-CREDENTIAL"
