"""Who is an administrator, as `[admin]` says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from attestack_common import config as configuration
from attestack_common.errors import ConfigError
from trustee_core.token_trust import AdminConfig, AdminDeniedError, AdminIdentity, Administrators, TokenTrustConfig

from tests.unit.trustee_core.token_trust.makers import EC_KEY, ED_KEY, NOW, claims, jwk, jws, public_pem

if TYPE_CHECKING:
    from pathlib import Path

PATH = "/kbs/v0/resource/a/b/c"


class _Whole(msgspec.Struct):
    admin: AdminConfig


def admin_config(document: dict[str, Any]) -> AdminConfig:
    return configuration.decode(document, AdminConfig, source="kbs.toml", closed=("",), prefix="admin")


def authenticated(*providers: dict[str, Any], acls: list[dict[str, str]] | None = None) -> AdminConfig:
    return admin_config(
        {
            "authorization_mode": "AuthenticatedAuthorization",
            "authentication": {"bearer_jwt": {"identity_providers": list(providers)}},
            "authorization": {
                "regex_acl": {"acls": [{"role": "admin", "allowed_endpoints": "^/kbs/.+$"}] if acls is None else acls}
            },
        }
    )


def token(key: Any = ED_KEY, alg: str = "EdDSA", **header: Any) -> str:
    return jws({"alg": alg, **header}, claims(role="admin"), key)


def denied(administrators: Administrators, text: str | None, path: str = PATH) -> AdminDeniedError:
    with pytest.raises(AdminDeniedError) as caught:
        administrators.require_allowed(text, path, NOW)
    return caught.value


async def test_everyone_is_an_administrator_where_the_mode_says_so() -> None:
    administrators = await Administrators.load(admin_config({"authorization_mode": "InsecureAllowAll"}))
    for text in (None, "", "junk", token()):
        assert administrators.require_allowed(text, PATH, NOW) == AdminIdentity("", "", "")


async def test_no_one_is_an_administrator_where_the_mode_says_so() -> None:
    administrators = await Administrators.load(admin_config({"authorization_mode": "DenyAll"}))
    for text in (None, token()):
        error = denied(administrators, text)
        assert error.code == "ADMIN-DENY-ALL"
        assert error.message == "Admin access denied: Admin access denied as DenyAll authorization_mode is enabled"


async def test_a_pem_key_and_a_role_open_a_path(tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_bytes(public_pem(ED_KEY))
    administrators = await Administrators.load(authenticated({"public_key_uri": str(tmp_path / "key.pub")}))
    assert administrators.require_allowed(token(), PATH, NOW).role == "admin"
    assert denied(administrators, token(), "/other").code == "ADMIN-ROLE"
    assert denied(administrators, None).code == "ADMIN-TOKEN-MISSING"
    assert denied(administrators, None).message == "Failed to parse HTTP Auth Bearer header"
    assert denied(administrators, "junk").code == "ADMIN-TOKEN-FORMAT"


async def test_keys_are_fetched_once_at_the_start() -> None:
    answers = {
        "https://i.example/key": public_pem(ED_KEY),
        "https://i.example/set": json.dumps({"keys": [jwk(EC_KEY, "ES256", kid="k")]}).encode(),
    }
    asked: list[str] = []

    async def http_get(url: str) -> bytes:
        asked.append(url)
        return answers[url]

    config = authenticated({"public_key_uri": "https://i.example/key", "jwk_set_uri": "https://i.example/set"})
    administrators = await Administrators.load(config, http_get=http_get)
    for _ in range(2):
        administrators.require_allowed(token(), PATH, NOW)
        administrators.require_allowed(token(EC_KEY, "ES256", kid="k"), PATH, NOW)
    assert asked == list(answers)


@pytest.mark.parametrize(
    "config",
    [
        authenticated(),
        authenticated({"issuer": "x"}),
        authenticated({"public_key_uri": "https://i.example/not-a-key"}),
        authenticated({"jwk_set_uri": "https://i.example/not-a-key"}),
        authenticated({"public_key_uri": "ftp://i.example/key"}),
        admin_config({"authorization_mode": "AuthenticatedAuthorization"}),
    ],
)
async def test_providers_that_cannot_work_stop_the_start(config: AdminConfig) -> None:
    async def http_get(_url: str) -> bytes:
        return b"not a key"

    with pytest.raises(ConfigError) as caught:
        await Administrators.load(config, http_get=http_get)
    assert caught.value.message.startswith("admin.authentication.bearer_jwt.identity_providers")


async def test_a_bad_access_rule_stops_the_start_in_every_mode() -> None:
    acls = {"regex_acl": {"acls": [{"role": "r"}]}}
    for mode in ("DenyAll", "InsecureAllowAll"):
        with pytest.raises(ConfigError) as caught:
            await Administrators.load(admin_config({"authorization_mode": mode, "authorization": acls}))
        assert caught.value.code == "ADMIN-ACL"


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"authorization_mode": "insecureallowall"},
        {"type": "DenyAll"},
        {"type": "Simple", "authorization_mode": "DenyAll"},
        {"insecure_api": True, "authorization_mode": "DenyAll"},
        {"authorization_mode": "DenyAll", "unknown": 1},
        {"authorization_mode": "DenyAll", "authentication": {"type": "BearerJwt"}},
        {"authorization_mode": "DenyAll", "authentication": {"bearer_jwt": {"identity_providers": [{"isuer": "x"}]}}},
        {"authorization_mode": "DenyAll", "authorization": {"regex_acl": {"acls": [{"allowed_endpoints": "^/kbs$"}]}}},
    ],
)
def test_the_table_of_administrators_is_closed(document: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        configuration.decode({"admin": document}, _Whole, source="kbs.toml", closed=("admin",))


def test_the_table_of_tokens_has_upstream_s_keys_and_defaults() -> None:
    assert TokenTrustConfig() == TokenTrustConfig(
        trusted_certs_paths=[], trusted_jwk_sets=[], insecure_header_jwk=False, extra_teekey_paths=[]
    )
    document = {
        "trusted_certs_paths": ["/a.pem"],
        "trusted_jwk_sets": ["https://i.example"],
        "insecure_header_jwk": True,
        "extra_teekey_paths": ["/k"],
    }
    assert configuration.decode(document, TokenTrustConfig, source="x") == TokenTrustConfig(**document)  # type: ignore[arg-type]
