"""Cross-origin requests (Fetch, section 3.2), as the front ends of the Rust programs answer them.

Every answer varies by the three request headers. An origin that was allowed on the command line is echoed; a preflight
is answered 200, and with 400 when it asks for a method or header that is not offered. An origin that was not allowed
gets the plain answer, which its browser then withholds from the page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

VARY: Final = ("vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")

_METHODS: Final = ("POST", "GET", "OPTIONS")
_HEADERS: Final = ("content-type", "authorization")
_MAX_AGE: Final = "86400"
_SCHEMES: Final = ("http://", "https://")


def parse_origins(arguments: Iterable[str]) -> tuple[list[str], list[str]]:
    """Split repeatable, comma-separated arguments into origins that can be allowed, and others."""
    given = [origin.strip() for argument in arguments for origin in argument.split(",") if origin.strip()]
    return [o for o in given if o.startswith(_SCHEMES)], [o for o in given if not o.startswith(_SCHEMES)]


class CrossOrigin:
    """What is said to other origins."""

    def __init__(self, origins: Iterable[str] = ()) -> None:
        self._origins = frozenset(origins)

    def headers(self, origin: str | None) -> list[tuple[str, str]]:
        """Return the headers that go on every answer."""
        if origin is not None and origin in self._origins:
            return [("access-control-allow-origin", origin), VARY]
        return [VARY]

    def preflight(self, origin: str | None, method: str, headers: str | None) -> tuple[int, list[tuple[str, str]], str]:
        """Answer an OPTIONS request that has `Access-Control-Request-Method`: status, headers, body."""
        if method not in _METHODS:
            return 400, [VARY], "Requested method is not allowed."
        asked = {name.strip().lower() for name in headers.split(",")} if headers is not None else set()
        if not asked <= set(_HEADERS):
            return 400, [VARY], "One or more request headers are not allowed."
        offered = [
            ("access-control-allow-methods", ", ".join(_METHODS)),
            ("access-control-allow-headers", ", ".join(_HEADERS)),
            ("access-control-max-age", _MAX_AGE),
        ]
        return 200, [*self.headers(origin)[:-1], *offered, VARY], ""
