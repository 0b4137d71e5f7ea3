"""What a request proves itself with: the session cookie, or a bearer token.

    Cookie: kbs-session-id=<value>             `; ` between pairs; two that differ count as none
    Authorization: Bearer <token>              the scheme in exactly this case, one space, a token that is not empty

The cookie is set with `Expires` alone: `Secure` would break guests that speak plain HTTP to a broker behind TLS, and a
`Path` would have to be the one that clients derive by themselves (`/kbs/v0`).
"""

from __future__ import annotations

import functools
from email.utils import formatdate
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from attestack_common.http_server import Request

SESSION_COOKIE: Final = "kbs-session-id"

_SCHEME: Final = "Bearer "


def session_cookie(request: Request) -> str | None:
    """Return the value of the session cookie; None where there is none, or where it is not one value."""
    header = request.header("cookie")
    if header is None:
        return None
    found = None
    for pair in header.split(";"):
        name, _, value = pair.strip().partition("=")
        if name == SESSION_COOKIE:
            if found is not None and found != value:
                return None
            found = value
    return found


def set_session_cookie(value: str, expires: int) -> tuple[str, str]:
    """Return the header field that sets the session cookie. `expires` is in seconds since the epoch."""
    return "set-cookie", f"{SESSION_COOKIE}={value}; Expires={_http_date(expires)}"


@functools.lru_cache(maxsize=64)
def _http_date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)


def bearer_token(request: Request) -> str | None:
    """Return the bearer token; None where there is none."""
    header = request.header("authorization")
    if header is None or not header.startswith(_SCHEME):
        return None
    return header[len(_SCHEME) :] or None
