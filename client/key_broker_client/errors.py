"""Errors of the client.

    BrokerError                        base
    ├── BrokerSettingsError            nothing can be sent: the URL, the root, the proxy or the credential is of no use
    ├── BrokerUnreachableError         no answer came: refused, reset, name or certificate wrong, time over
    ├── TooLateError                   evidence or a token, which the broker does not make, did not come in time
    ├── BrokerAnswerError              an answer came that is not of the protocol
    └── BrokerRefusedError             the broker answered with an error document
        ├── HandshakeRefusedError      it refused the handshake: its version, the evidence, the nonce
        ├── UnauthorizedError          it does not take the session or token
        ├── AccessDeniedError          its policy denies the resource
        └── ResourceUnavailableError   it has no such resource or plugin, or could not serve it

Attesting again can help after UnauthorizedError only. No message shows what was sent: it holds credentials.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attestack_common.errors import AttestackError
from attestation_protocol.errors import advice_of, text_of

if TYPE_CHECKING:
    from attestation_protocol.errors import ErrorInformation


class BrokerError(AttestackError):
    """Base of the client's errors."""

    default_code = "BROKER"


class BrokerSettingsError(BrokerError):
    """Nothing can be sent: the URL, the root certificate, the proxy or the credential is of no use."""

    default_code = "BROKER-SETTINGS"


class BrokerUnreachableError(BrokerError):
    """No answer came. Trying again may help."""

    default_code = "BROKER-UNREACHABLE"


class TooLateError(BrokerError):
    """Evidence or a token, which the broker does not make, did not come in time."""

    default_code = "CLIENT-TIMEOUT"


class BrokerAnswerError(BrokerError):
    """An answer came that is not of the protocol. `status` is its HTTP status."""

    default_code = "BROKER-ANSWER"

    def __init__(self, message: str, *, status: int, code: str | None = None, advice: str = "") -> None:
        super().__init__(message, code=code, advice=advice)
        self.status = status


class BrokerRefusedError(BrokerError):
    """The broker answered with an error document, kept in `information`. `status` is the HTTP status.

    Where the broker says a stable code and what to do, they are this error's.
    """

    default_code = "BROKER-REFUSED"

    def __init__(self, message: str, information: ErrorInformation, *, status: int, advice: str = "") -> None:
        said = advice_of(information.detail)
        super().__init__(f"{message}: {text_of(information.detail)}", code=information.code, advice=said or advice)
        self.information = information
        self.status = status


class HandshakeRefusedError(BrokerRefusedError):
    """The broker refused the handshake."""

    default_code = "HANDSHAKE-REFUSED"


class UnauthorizedError(BrokerRefusedError):
    """The broker does not take the session or the token."""

    default_code = "BROKER-UNAUTHORIZED"


class AccessDeniedError(BrokerRefusedError):
    """The broker's policy denies the resource."""

    default_code = "ACCESS-DENIED"


class ResourceUnavailableError(BrokerRefusedError):
    """The broker has no such resource or plugin, or could not serve it."""

    default_code = "RESOURCE-UNAVAILABLE"


ATTEST_AGAIN: Final = frozenset({"AttestationError", "TokenNotFound", "TokenVerifierError"})
"""Variants of the error document after which a new handshake or token can help."""


def resource_refusal(information: ErrorInformation, status: int, what: str) -> BrokerRefusedError:
    """Choose the error for a refused resource. A stock broker answers 401 to nearly everything: the variant tells."""
    if information.variant in ATTEST_AGAIN:
        return UnauthorizedError(f"the broker asks for attestation before {what}", information, status=status)
    if information.variant in {"PolicyDeny", "AdminAuthAccess", "AdminAuthInitialization"}:
        return AccessDeniedError(
            f"the broker denies {what}",
            information,
            status=status,
            advice="the operator's resource policy decides: see its record of this decision at the broker",
        )
    return ResourceUnavailableError(
        f"the broker does not serve {what}",
        information,
        status=status,
        advice="check the path, and that the operator has stored the resource",
    )
