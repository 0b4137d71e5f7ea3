"""What a handler is given, what it returns, and the bounds of both.

A request is decoded as the Rust services decode it, once and by these rules:

    path     percent-decoded wholly, `%2F` too; a bad escape stays as it is; `+` is a plus sign
    query    application/x-www-form-urlencoded; the last of equal names wins; a bad escape stays as it is
    text     UTF-8; bytes that are not become U+FFFD, which no valid name contains
    headers  names in lower case; values latin-1; repeated fields joined with `, ` (RFC 9110 section 5.3)
             and cookies with `; `, so that a doubled credential never reads as one of the two

Who must match on what was sent (access rules on paths) takes `raw_target`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import unquote_to_bytes

MEBIBYTE: Final = 1024 * 1024

RawHeaders: TypeAlias = Sequence[tuple[bytes, bytes]]
"""Header fields as they came, names in lower case."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one server. Sizes in bytes, times in seconds."""

    head_bytes: int = 128 * 1024
    """Request line and header fields; a longer head is answered 431."""
    head_fields: int = 96
    """Number of header fields; more are answered 431."""
    body_bytes: int = 2 * MEBIBYTE
    """Body on the wire and after inflation; exactly this many are allowed, one more is answered 413."""
    head_seconds: float = 5.0
    """From the connection, or the first byte of a later request, to the end of the head; then the connection closes."""
    body_seconds: float = 30.0
    """From the end of the head to the end of the body; then 408."""
    keep_alive_seconds: float = 5.0
    """How long an idle connection stays open."""
    handler_seconds: float = 60.0
    """How long a handler may take; then 503."""
    write_seconds: float = 30.0
    """How long a peer may leave what is written to it unread; then the connection is aborted."""
    linger_seconds: float = 2.0
    """How long an unread body is still drained after the answer, so that the peer gets to read the answer."""
    max_connections: int = 4096
    """Open connections, and never more than three quarters of the file descriptors; one more is answered 503."""


class Request:
    """One request, whole. `path`, `query` and `headers` are decoded when first asked for."""

    __slots__ = ("_headers", "_path", "_query", "_raw_headers", "body", "client_host", "method", "raw_target")

    def __init__(
        self,
        method: str,
        raw_target: bytes,
        path: str | None = None,
        query: dict[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        client_host: str = "",
        *,
        raw_headers: RawHeaders = (),
    ) -> None:
        self.method = method
        """As sent: methods are case-sensitive."""
        self.raw_target = raw_target
        """Path and query as sent, not decoded."""
        self.body = body
        """The whole body, inflated."""
        self.client_host = client_host
        """The peer's IP address, or an empty text."""
        self._path = path
        self._query = query
        self._headers = headers
        self._raw_headers = raw_headers

    @property
    def path(self) -> str:
        """The path, percent-decoded wholly and once."""
        if self._path is None:
            self._path = decode_path(self.raw_target.partition(b"?")[0])
        return self._path

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the query."""
        if self._query is None:
            self._query = parse_query(self.raw_target.partition(b"?")[2])
        return self._query

    @property
    def headers(self) -> Mapping[str, str]:
        """All header fields by name in lower case."""
        if self._headers is None:
            self._headers = _joined(self._raw_headers)
        return self._headers

    def header(self, name: str) -> str | None:
        """Return the value of one field, its name in lower case; None when it was not sent."""
        if self._headers is None:  # most routes ask for one field: no need to decode them all
            wanted = name.encode("latin-1")
            values = [value for field, value in self._raw_headers if field == wanted]
            if len(values) <= 1:
                return values[0].decode("latin-1") if values else None
        return self.headers.get(name)

    def __repr__(self) -> str:
        # never query, headers or body: they hold secrets
        return f"Request({self.method!r}, {self.path!r}, {len(self.body)} bytes)"


@dataclass(slots=True)
class Response:
    """What a handler returns. `content-length` and `date` are added, a `server` header never."""

    status: int = 200
    body: bytes = b""
    content_type: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    close: bool = False
    """Close the connection after this response, and say so with `connection: close`."""


Handler: TypeAlias = Callable[[Request], Awaitable[Response]]


def decode_path(raw: bytes) -> str:
    """Percent-decode a path wholly and once."""
    return (unquote_to_bytes(raw) if b"%" in raw else raw).decode("utf-8", "replace")


def parse_query(raw: bytes) -> dict[str, str]:
    """Decode `application/x-www-form-urlencoded` parameters; a name without `=` has an empty value."""
    parameters = {}
    for part in raw.split(b"&"):
        if part:
            name, _, value = part.partition(b"=")
            parameters[_decode_form(name)] = _decode_form(value)
    return parameters


def _decode_form(raw: bytes) -> str:
    return decode_path(raw.replace(b"+", b" "))


def _joined(raw_headers: RawHeaders) -> dict[str, str]:
    fields: dict[str, str] = {}
    for raw_name, raw_value in raw_headers:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if name in fields:
            value = f"{fields[name]}{'; ' if name == 'cookie' else ', '}{value}"
        fields[name] = value
    return fields
