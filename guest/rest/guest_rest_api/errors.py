"""Errors of the REST server.

RestError                    base
├── RequestError             a request that is refused here; its text is the stock server's
└── BackendError             the agent or the hub failed, or does not answer
"""

from __future__ import annotations

from attestack_common.errors import AttestackError


class RestError(AttestackError):
    """Base of the REST server's errors."""

    default_code = "REST"


class RequestError(RestError):
    """A request that is refused here. `status` is the HTTP status of the answer."""

    default_code = "REST-REQUEST"

    def __init__(self, status: int, message: str, *, code: str, advice: str) -> None:
        super().__init__(message, code=code, advice=advice)
        self.status = status


class BackendError(RestError):
    """The agent or the hub failed, or does not answer."""

    default_code = "REST-BACKEND"
