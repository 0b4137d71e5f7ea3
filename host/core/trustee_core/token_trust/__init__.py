"""Whose tokens are trusted: attestation tokens, and those of administrators."""

from __future__ import annotations

from trustee_core.token_trust.admin_jwt import AdminIdentity
from trustee_core.token_trust.administrators import Administrators
from trustee_core.token_trust.config import AdminConfig, AuthorizationMode, TokenTrustConfig
from trustee_core.token_trust.errors import AdminDeniedError, TeeKeyError, TokenRefusedError, TokenTrustError
from trustee_core.token_trust.keys import TrustedKey
from trustee_core.token_trust.sources import HttpGet, https_get
from trustee_core.token_trust.tee_key import tee_public_key
from trustee_core.token_trust.verifier import TokenVerifier, VerifiedToken

__all__ = [
    "AdminConfig",
    "AdminDeniedError",
    "AdminIdentity",
    "Administrators",
    "AuthorizationMode",
    "HttpGet",
    "TeeKeyError",
    "TokenRefusedError",
    "TokenTrustConfig",
    "TokenTrustError",
    "TokenVerifier",
    "TrustedKey",
    "VerifiedToken",
    "https_get",
    "tee_public_key",
]
