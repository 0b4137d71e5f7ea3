"""Who may do what an administrator does: `[admin]` of the configuration, asked for each request.

Access rules see the request's path and query as they were sent; the token is that of `Authorization: Bearer`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from key_broker_service.credentials import bearer_token

if TYPE_CHECKING:
    from attestack_common.clock import Clock
    from attestack_common.http_server import Request
    from trustee_core.token_trust import AdminIdentity, Administrators


class Admin:
    """The administrators, as the routes ask for them."""

    def __init__(self, administrators: Administrators, clock: Clock) -> None:
        self._administrators = administrators
        self._clock = clock

    def require(self, request: Request) -> AdminIdentity:
        """Let an administrator pass. Raises AdminDeniedError, whose message is the text that upstream sends."""
        uri = request.raw_target.decode("latin-1")
        return self._administrators.require_allowed(bearer_token(request), uri, self._clock())
