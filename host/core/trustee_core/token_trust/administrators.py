"""Who is an administrator, as `[admin]` says.

    InsecureAllowAll              everyone; a token is not even looked at
    DenyAll                       no one
    AuthenticatedAuthorization    who brings a JWT of an identity provider, with a role that may reach the path

The messages of the refusals are the texts that upstream sends; codes and advice are ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

from attestack_common.errors import ConfigError
from attestation_protocol.errors import KeyFormatError

from trustee_core.token_trust.acl import RegexAcl
from trustee_core.token_trust.admin_jwt import AdminIdentity, IdentityProvider, verify_admin_token
from trustee_core.token_trust.config import AuthorizationMode
from trustee_core.token_trust.errors import AdminDeniedError
from trustee_core.token_trust.keys import key_from_pem
from trustee_core.token_trust.sources import HttpGet, https_get, load_jwk_set, load_source

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from trustee_core.token_trust.config import AdminConfig, IdentityProviderConfig

ANYONE: Final = AdminIdentity("", "", "")
"""Who passes where everyone does."""

_PROVIDERS: Final = "admin.authentication.bearer_jwt.identity_providers"


class Administrators:
    """Decides who may do what an administrator does. Made once, by `load`."""

    def __init__(self, mode: AuthorizationMode, providers: Sequence[IdentityProvider], acl: RegexAcl) -> None:
        self.mode: Final = mode
        self._providers = tuple(providers)
        self._acl = acl

    @classmethod
    async def load(cls, config: AdminConfig, *, http_get: HttpGet = https_get) -> Self:
        """Read the keys of the identity providers, and compile the access rules. Raises ConfigError."""
        acls = config.authorization.regex_acl.acls if config.authorization.regex_acl else ()
        if config.authorization_mode is not AuthorizationMode.AUTHENTICATED:
            return cls(config.authorization_mode, (), RegexAcl(acls))
        bearer = config.authentication.bearer_jwt
        if bearer is None or not bearer.identity_providers:
            raise ConfigError(
                f"{_PROVIDERS}: there is none", code="ADMIN-PROVIDER", advice="name an issuer and its public key"
            )
        providers = [
            await _provider(provider, f"{_PROVIDERS}[{index}]", http_get)
            for index, provider in enumerate(bearer.identity_providers)
        ]
        return cls(config.authorization_mode, providers, RegexAcl(acls))

    def require_allowed(self, token: str | None, uri: str, now: datetime) -> AdminIdentity:
        """Let a caller pass. Raises AdminDeniedError.

        Args:
            token: the bearer token; None where there is none.
            uri: path and query of the request as they were sent, not decoded.
            now: the current time.
        """
        if self.mode is AuthorizationMode.INSECURE_ALLOW_ALL:
            return ANYONE
        if self.mode is AuthorizationMode.DENY_ALL:
            raise AdminDeniedError(
                "Admin access denied: Admin access denied as DenyAll authorization_mode is enabled",
                code="ADMIN-DENY-ALL",
            )
        if token is None:
            raise AdminDeniedError(
                "Failed to parse HTTP Auth Bearer header",
                code="ADMIN-TOKEN-MISSING",
                advice="send `Authorization: Bearer` with an administrator's token",
            )
        identity = verify_admin_token(token, self._providers, now)
        self._acl.require_allowed(identity.role, uri)
        return identity


async def _provider(config: IdentityProviderConfig, key: str, http_get: HttpGet) -> IdentityProvider:
    if config.public_key_uri is None and config.jwk_set_uri is None:
        raise ConfigError(f"{key}: has neither public_key_uri nor jwk_set_uri", code="ADMIN-PROVIDER")
    pem_keys, keys_by_kid = [], {}
    if config.public_key_uri is not None:
        name = f"{key}.public_key_uri"
        pem = await load_source(config.public_key_uri, http_get, key=name)
        try:
            pem_keys.append(key_from_pem(pem))
        except KeyFormatError as error:
            raise ConfigError(f"{name}: {error.message}", code="ADMIN-PROVIDER", advice=error.advice) from None
    if config.jwk_set_uri is not None:
        keys_by_kid = await load_jwk_set(config.jwk_set_uri, http_get, key=f"{key}.jwk_set_uri")
    return IdentityProvider(config.issuer, config.audience, tuple(pem_keys), keys_by_kid)
