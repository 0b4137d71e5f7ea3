"""Which paths a role may reach: regular expressions on the request's path and query, as they were sent.

The method is not looked at, and nothing is decoded: `/kbs/v0/resource/%61` is another path than `/kbs/v0/resource/a`.
An expression begins with `^/kbs` and ends with `$`, so that it says the whole path. Expressions are RE2's, which are
matched in time linear in the path; look-around and back-references do not exist there, nor do they upstream.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import re2  # type: ignore[import-untyped]
from attestack_common.errors import ConfigError

from trustee_core.token_trust.errors import AdminDeniedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trustee_core.token_trust.config import AclConfig

MAX_EXPRESSION: Final = 4_096
"""Characters of an expression at the most."""
_MAX_MEMORY: Final = 1 << 20
"""Bytes that RE2 may use for an expression."""
_KEY: Final = "admin.authorization.regex_acl.acls"


@dataclass(frozen=True, slots=True)
class _Acl:
    role: str
    expression: Any = field(repr=False)

    def allows(self, uri: str) -> bool:
        return self.expression.search(uri) is not None


class RegexAcl:
    """The configured access rules."""

    def __init__(self, acls: Sequence[AclConfig]) -> None:
        """Compile. Raises ConfigError that names the entry."""
        self._acls = tuple(_Acl(acl.role, _compiled(acl, index)) for index, acl in enumerate(acls))

    def require_allowed(self, role: str, uri: str) -> None:
        """Let a role pass to a path (with its query, not decoded). Raises AdminDeniedError (ADMIN-ROLE)."""
        if not any(acl.role == role and acl.allows(uri) for acl in self._acls):
            raise AdminDeniedError(
                f"Admin access denied: Role {role} not allowed for path {uri}",
                code="ADMIN-ROLE",
                advice=f"the operator lists what a role may reach in {_KEY}",
            )


def _compiled(acl: AclConfig, index: int) -> Any:  # noqa: ANN401  # re2 has no types
    text = acl.allowed_endpoints
    if not (text.startswith("^/kbs") and text.endswith("$")):
        raise _bad(index, "an expression begins with ^/kbs and ends with $")
    if len(text) > MAX_EXPRESSION:
        raise _bad(index, f"an expression has at most {MAX_EXPRESSION} characters")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_MEMORY
    try:
        return re2.compile(text, options)
    except re2.error:
        raise _bad(index, "not a regular expression, or one that needs too much memory") from None


def _bad(index: int, message: str) -> ConfigError:
    return ConfigError(
        f"{_KEY}[{index}].allowed_endpoints: {message}",
        code="ADMIN-ACL",
        advice='for example allowed_endpoints = "^/kbs/v0/resource/.+$"',
    )
