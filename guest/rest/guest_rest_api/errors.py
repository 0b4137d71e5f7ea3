"""Errors of the REST server.

RestError                    base
└── BackendError             the agent or the hub failed, or does not answer
"""

from __future__ import annotations

from attestack_common.errors import AttestackError


class RestError(AttestackError):
    """Base of the REST server's errors."""

    default_code = "REST"


class BackendError(RestError):
    """The agent or the hub failed, or does not answer."""

    default_code = "REST-BACKEND"
