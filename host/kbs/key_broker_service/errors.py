"""What a caller is told when the broker refuses: the recorded error document, then our code.

    KbsError                    variant of `type`, status, the text that the stock broker sends in that place
    ├── AdminAccessError        AdminAuthAccess           a built-in route asks for an administrator
    ├── PluginAdminError        AdminAuthInitialization   a plugin's route asks for an administrator
    ├── AuthRefusedError        AttestationError          POST auth
    ├── AttestRefusedError      AttestationError          POST attest
    ├── SetPolicyRefusedError   AttestationError          POST attestation-policy
    ├── ReferenceValueError     RvpsError                 POST, GET reference-value
    ├── ParsePolicyError        ParsePolicyError          POST resource-policy: not a policy document
    ├── PolicyEngineError       PolicyEngineError         the resource policy does not load or evaluate
    ├── PolicyDenyError         PolicyDeny                nothing is released to this token
    ├── TokenNotFoundError      TokenNotFound             neither a live session nor a bearer token
    ├── TokenRefusedError       TokenVerifierError        a token that is not trusted, or names no TEE key
    ├── PluginNotFoundError     PluginNotFound, 404       no plugin of that name
    ├── PluginFailedError       PluginInternalError       whatever a plugin refuses, a missing resource too
    └── JweRefusedError         JweError                  a TEE key that nothing is encrypted to

The status is 401 but for the one 404: stock guests attest again after a 401 and give up after a 404, so a missing
resource is a 401. `detail` is the recorded text, then advice in parentheses, then the code in brackets; what else is
known (`why`) goes to the operator's log and the decision record, never to the caller.
"""

from __future__ import annotations

from typing import ClassVar

from attestack_common.errors import AttestackError
from attestation_protocol.errors import ErrorInformation, wire_text


class KbsError(AttestackError):
    """A request that the broker refuses. `subject` is put into the text where it has a place for one."""

    variant: ClassVar[str]
    status: ClassVar[int] = 401
    text: ClassVar[str]

    def __init__(self, subject: str = "", *, code: str | None = None, advice: str = "", why: str = "") -> None:
        super().__init__(self.text.format(subject), code=code, advice=advice)
        self.why = why

    def document(self) -> bytes:
        """Return the body of the answer."""
        return ErrorInformation(self.variant, wire_text(self.message, self.code, self.advice)).to_json()


class AdminAccessError(KbsError):
    """A built-in route asks for an administrator. `subject` is `<endpoint>: <reason>`."""

    variant = "AdminAuthAccess"
    text = "admin access denied for endpoint {}"
    default_code = "ADMIN"


class PluginAdminError(KbsError):
    """A plugin's route asks for an administrator. `subject` is the reason; the variant is upstream's, as it stands."""

    variant = "AdminAuthInitialization"
    text = "failed to initialize [admin] configuration: {}"
    default_code = "ADMIN"


class AuthRefusedError(KbsError):
    """`POST auth` is refused. `subject` is the cause."""

    variant = "AttestationError"
    text = "Attestation error: RCAR handshake Auth failed: {}"
    default_code = "AUTH"


class AttestRefusedError(KbsError):
    """`POST attest` is refused. The text hides the cause; the code names it."""

    variant = "AttestationError"
    text = "Attestation error: RCAR handshake Attest failed"
    default_code = "ATTEST"


class SetPolicyRefusedError(KbsError):
    """An attestation policy is refused."""

    variant = "AttestationError"
    text = "Attestation error: Set Attestation Policy failed"
    default_code = "ATTESTATION-POLICY"


class ReferenceValueError(KbsError):
    """A reference value cannot be registered or read. `subject` is the cause."""

    variant = "RvpsError"
    text = "RVPS configuration failed: {}"
    default_code = "REFERENCE-VALUE"


class ParsePolicyError(KbsError):
    """The body is not a policy document. `subject` is the cause."""

    variant = "ParsePolicyError"
    text = "Failed to parse policy: {}"
    default_code = "POLICY-DOCUMENT"


class PolicyEngineError(KbsError):
    """The resource policy does not load or evaluate. `subject` is the cause."""

    variant = "PolicyEngineError"
    text = "Policy engine error: {}"
    default_code = "POLICY-ENGINE"


class PolicyDenyError(KbsError):
    """Nothing is released to this token."""

    variant = "PolicyDeny"
    text = "Access denied by policy"
    default_code = "POLICY-DENY"


class TokenNotFoundError(KbsError):
    """Neither a live session nor a bearer token came with the request."""

    variant = "TokenNotFound"
    text = "Attestation Token not found"
    default_code = "TOKEN-MISSING"


class TokenRefusedError(KbsError):
    """A token that is not trusted, has expired, or names no TEE key."""

    variant = "TokenVerifierError"
    text = "Token Verifier error"
    default_code = "TOKEN"


class PluginNotFoundError(KbsError):
    """No plugin has that name. `subject` is the name."""

    variant = "PluginNotFound"
    status = 404
    text = "Plugin {} not found"
    default_code = "PLUGIN-UNKNOWN"


class PluginFailedError(KbsError):
    """A plugin refuses: a path that it does not know, a method, a missing resource, its store."""

    variant = "PluginInternalError"
    text = "Plugin internal error"
    default_code = "PLUGIN"


class JweRefusedError(KbsError):
    """The TEE key of the token is not one that secrets are encrypted to."""

    variant = "JweError"
    text = "JWE failed"
    default_code = "JWE-KEY"
