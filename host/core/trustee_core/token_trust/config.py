"""The tables `[attestation_token]` and `[admin]` of the configuration, with upstream's keys and defaults.

What is only valid together is checked where it is loaded: `TokenVerifier.load`, `Administrators.load`.
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar

import msgspec


class TokenTrustConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[attestation_token]`: whose attestation tokens are trusted."""

    trusted_certs_paths: list[str] = []
    """PEM files, each with one certificate or more; the last of a chain has to be among them."""
    trusted_jwk_sets: list[str] = []
    """`https://…`, `file://…` or a path: JWK sets, whose keys are looked up by `kid`."""
    insecure_header_jwk: bool = False
    """Whether a token is taken on the word of the key that it brings along."""
    extra_teekey_paths: list[str] = []
    """JSON pointers to the TEE's public key in the claims, tried before the usual ones."""


class AuthorizationMode(Enum):
    """`admin.authorization_mode`."""

    INSECURE_ALLOW_ALL = "InsecureAllowAll"
    DENY_ALL = "DenyAll"
    AUTHENTICATED = "AuthenticatedAuthorization"


class IdentityProviderConfig(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of `admin.authentication.bearer_jwt.identity_providers`."""

    issuer: str | None = None
    """What `iss` must be; None: any."""
    audience: str | None = None
    """What `aud` must hold; None: any."""
    public_key_uri: str | None = None
    """`https://…`, `file://…` or a path: a PEM public key."""
    jwk_set_uri: str | None = None
    """The same for a JWK set."""


class BearerJwtConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[admin.authentication.bearer_jwt]`: by a JWT in `Authorization: Bearer`."""

    identity_providers: list[IdentityProviderConfig] = []


class AuthenticationConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[admin.authentication]`: how administrators say who they are."""

    bearer_jwt: BearerJwtConfig | None = None


class AclConfig(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of `admin.authorization.regex_acl.acls`."""

    role: str
    """The `role` of the token."""
    allowed_endpoints: str = ""
    """A regular expression that starts with `^/kbs` and ends with `$`, for path and query as they were sent."""


class RegexAclConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[admin.authorization.regex_acl]`: by paths."""

    acls: list[AclConfig] = []


class AuthorizationConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[admin.authorization]`: what a role may do."""

    regex_acl: RegexAclConfig | None = None


class AdminConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[admin]`: who may change resources, policies and reference values."""

    __refused__: ClassVar = {
        "type": "use authorization_mode, and [admin.authentication] and [admin.authorization] beside it",
        "insecure_api": 'use authorization_mode = "InsecureAllowAll"',
        "auth_public_key": "use public_key_uri of an entry of admin.authentication.bearer_jwt.identity_providers",
    }

    authorization_mode: AuthorizationMode
    """Everybody, nobody, or who proves it by `authentication` and is let through by `authorization`."""
    authentication: AuthenticationConfig = AuthenticationConfig()
    authorization: AuthorizationConfig = AuthorizationConfig()
