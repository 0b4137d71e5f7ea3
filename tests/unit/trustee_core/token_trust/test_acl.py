"""Which paths a role may reach."""

from __future__ import annotations

import pytest
from attestack_common.errors import ConfigError
from trustee_core.token_trust import AdminDeniedError
from trustee_core.token_trust.acl import MAX_EXPRESSION, RegexAcl
from trustee_core.token_trust.config import AclConfig


def allows(expression: str, uri: str, role: str = "admin") -> bool:
    acl = RegexAcl([AclConfig(role="admin", allowed_endpoints=expression)])
    try:
        acl.require_allowed(role, uri)
    except AdminDeniedError as error:
        assert error.message == f"Admin access denied: Role {role} not allowed for path {uri}"  # noqa: PT017
        assert error.code == "ADMIN-ROLE"  # noqa: PT017
        return False
    return True


@pytest.mark.parametrize(
    ("expression", "uri", "allowed"),
    [
        ("^/kbs/.+$", "/kbs/v0/resource/a/b/c", True),
        ("^/kbs/.+$", "/kbs/", False),
        ("^/kbs/.+$", "/kbs/v0/resource/a\n", False),
        ("^/kbs/.+$", "x/kbs/v0", False),
        ("^/kbs/v0/resource/.+$", "/kbs/v0/resource-policy", False),
        ("^/kbs/v0/resource/.+$", "/kbs/v0/resource/default/key/%31", True),
        ("^/kbs/v0/resource/[a-z/]+$", "/kbs/v0/resource/default/key/%61", False),
        ("^/kbs/v0/resource/[a-z/]+$", "/kbs/v0/resource/a/b/c?x=y", False),
        ("^/kbs/v0/(resource/a|resource-policy)$", "/kbs/v0/resource-policy", True),
        (r"^/kbs/v0/\w+$", "/kbs/v0/é", False),
        ("^/kbs$", "/kbs", True),
    ],
)
def test_the_whole_path_is_matched_as_it_was_sent(expression: str, uri: str, allowed: bool) -> None:  # noqa: FBT001
    assert allows(expression, uri) is allowed


def test_a33_a_role_is_compared_whole() -> None:
    for role in ("", "Admin", "admin ", "admi", "resource-writer"):
        assert not allows("^/kbs/.+$", "/kbs/v0", role)


def test_any_entry_of_the_role_will_do() -> None:
    acl = RegexAcl(
        [
            AclConfig(role="a", allowed_endpoints="^/kbs/v0/one$"),
            AclConfig(role="b", allowed_endpoints="^/kbs/.+$"),
            AclConfig(role="a", allowed_endpoints="^/kbs/v0/two$"),
        ]
    )
    acl.require_allowed("a", "/kbs/v0/two")
    with pytest.raises(AdminDeniedError):
        acl.require_allowed("a", "/kbs/v0/three")


def test_without_entries_nothing_is_allowed() -> None:
    with pytest.raises(AdminDeniedError):
        RegexAcl([]).require_allowed("admin", "/kbs/v0")


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "/kbs/.+$",
        "^/kbs/.+",
        "^/v0/.+$",
        "(^/kbs/.+$)",
        "^/kbs(/.+$",
        "^/kbs/(?=a).+$",
        r"^/kbs/(a)\1$",
        "^/kbs/" + "a" * MAX_EXPRESSION + "$",
        "^/kbs/(((a{100}){100}){100}){100}$",
    ],
)
def test_other_expressions_stop_the_start(expression: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RegexAcl([AclConfig(role="r", allowed_endpoints="^/kbs$"), AclConfig(role="r", allowed_endpoints=expression)])
    assert caught.value.code == "ADMIN-ACL"
    assert "acls[1].allowed_endpoints" in caught.value.message


def test_a24_an_expression_that_would_backtrack_is_matched_in_linear_time() -> None:
    assert not allows("^/kbs/(a+)+$", "/kbs/" + "a" * 50_000 + "b")
    assert allows("^/kbs/(a|a)*$", "/kbs/" + "a" * 50_000)
