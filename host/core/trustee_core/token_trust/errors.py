"""Errors of this package. `code` says which rule a token breaks; no message holds a token or a part of one.

    TokenTrustError            the base
    ├── TokenRefusedError      an attestation token that is not trusted, or not now
    ├── TeeKeyError            a trusted token that names no key to encrypt to
    └── AdminDeniedError       a caller who is not an administrator, or not for this path

What is wrong with keys, certificates and configuration is found at the start: `attestack_common.errors.ConfigError`.
"""

from __future__ import annotations

from attestack_common.errors import AttestackError


class TokenTrustError(AttestackError):
    """The base of token trust errors."""

    default_code = "TOKEN"


class TokenRefusedError(TokenTrustError):
    """An attestation token that is not trusted, or not now."""

    default_code = "TOKEN"


class TeeKeyError(TokenTrustError):
    """A trusted token that names no key to encrypt to."""

    default_code = "TOKEN-TEE-KEY"


class AdminDeniedError(TokenTrustError):
    """A caller who is not an administrator, or not for this path. The message is the text that upstream sends."""

    default_code = "ADMIN-DENIED"
