"""From the bytes of a connection to whole requests, around llhttp: what is bounded, and what is refused.

    head    at most `head_bytes` and `head_fields`, else 431
    body    at most `body_bytes`, else 413, before a byte is read where the length is announced; trailer fields are
            dropped; bytes of a chunked body that carry nothing (extensions, trailers) are bounded too
    syntax  llhttp in its strict mode; besides, `transfer-encoding` must be exactly `chunked` and must not stand beside
            `content-length` (RFC 9112 section 6.1), else 400

`Upgrade` is ignored (RFC 9110 section 7.8). The parser ends a message at the head of a request that asks for it, so its
body is taken by length here; it is the last request of its connection, and no byte behind it is read as another.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import httptools

from attestack_common.http_server.errors import BodySizeError, HeadError, RefusedError, SyntaxRefusedError
from attestack_common.http_server.messages import Request, decode_path

if TYPE_CHECKING:
    from attestack_common.http_server.messages import Limits

_VERSIONS: Final = frozenset({"1.0", "1.1"})  # the parser takes 0.9 and 2.0 as well
_LOOKED_AT: Final = frozenset({b"content-length", b"transfer-encoding", b"content-encoding", b"expect"})
_MAX_BARREN_BYTES: Final = 64 * 1024


class Phase(Enum):
    """What the next byte belongs to."""

    IDLE = auto()
    """Another request, of which nothing has come, where an answer was the last thing that happened."""
    HEAD = auto()
    BODY = auto()
    UPGRADE_BODY = auto()
    ENDED = auto()


IN_BODY: Final = (Phase.BODY, Phase.UPGRADE_BODY)  # no set: the hash of a member of an enumeration is a call


class WholeRequest(NamedTuple):
    """A request that came whole."""

    request: Request
    content_encoding: str
    """How its body is still encoded; empty where it has none, or is not encoded."""
    keep_alive: bool
    """Whether another one may follow."""


class RequestReader(ABC):
    """Reads requests. Who inherits is told of each head and each whole request, and may raise RefusedError there."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.phase = Phase.HEAD
        self.client = ""
        """The peer's IP address, or an empty text."""
        self._parser: Any = httptools.HttpRequestParser(self)
        self._last_came = False
        self._heads = 0
        self._begun = False
        """Whether the parser is within a message."""
        self._head_bytes = 0
        self._barren_bytes = 0
        self._carried = False
        self._begin_message()

    def _begin_message(self) -> None:
        self._target = b""
        self._fields: list[tuple[bytes, bytes]] = []
        self._framing: bytes | None = None
        self._content_length = 0
        self._content_encoding = b""
        self._expects_continue = False
        self._keep_alive = False
        self._body: bytes | bytearray = b""
        self._body_bytes = 0

    @abstractmethod
    def head_came(self) -> None:
        """Take note that the head of a request is complete."""

    @abstractmethod
    def request_came(self, whole: WholeRequest) -> None:
        """Take a request."""

    def read(self, data: bytes) -> None:
        """Parse what came; never more than the rest of the head's bound at once. Raises RefusedError."""
        if self.phase is Phase.IDLE:
            self.phase = Phase.HEAD
        while data and self.phase is not Phase.ENDED:
            piece = data
            if self.phase is Phase.HEAD:
                room = self.limits.head_bytes - self._head_bytes
                if room <= 0:
                    raise HeadError(f"the head is longer than {self.limits.head_bytes} bytes")
                if room < len(data):
                    piece = data[:room]
            self._take(piece)
            data = data[len(piece) :]

    def end_reading(self) -> None:
        """Read nothing any more."""
        self.phase = Phase.ENDED
        self._parser = None  # it refers to its reader

    def in_head(self) -> bool:
        """Whether something of a head has come, in the phase of heads."""
        return self._begun or self._head_bytes > 0

    def forget_head(self) -> None:
        """Expect nothing behind the beginning of a head."""
        self.phase, self._begun, self._head_bytes = Phase.HEAD, False, 0

    def wants_continue(self) -> bool:
        """Whether the peer waits with its body to be told that it may send it; says so once."""
        wants = self._expects_continue and (self._content_length > 0 or self._framing == b"transfer-encoding")
        self._expects_continue = False
        return wants

    def place(self) -> dict[str, str]:
        """Return method and path of the request whose body is coming, for the log."""
        if self.phase not in IN_BODY:
            return {}
        method: bytes = self._parser.get_method()
        return {"method": method.decode("ascii"), "path": decode_path(self._target.partition(b"?")[0])}

    def _take(self, piece: bytes) -> None:
        if self.phase is Phase.UPGRADE_BODY:
            self._take_upgrade_body(piece)
            return
        heads, before = self._heads, self.phase
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            self._take_upgrade_body(piece[upgrade.args[0] :])
            return
        except httptools.HttpParserError as error:
            if self._last_came:
                self.phase = Phase.ENDED
                return
            if isinstance(error.__context__, RefusedError):
                raise error.__context__ from None
            raise SyntaxRefusedError(str(error)) from None
        if self.phase is Phase.HEAD:
            # bytes of a piece in which another message ended are not counted: the bound holds up to one read more
            of_this_head = before is Phase.HEAD and heads == self._heads
            self._head_bytes = self._head_bytes + len(piece) if of_this_head else 0
        elif self._carried or heads != self._heads:  # a piece that ended a head may be all head, and long
            self._barren_bytes, self._carried = 0, False
        else:
            self._barren_bytes += len(piece)
            if self._barren_bytes > _MAX_BARREN_BYTES:
                raise SyntaxRefusedError("a chunked body with too much beside its data")

    # What the parser reports

    def on_message_begin(self) -> None:
        """Begin a head."""
        if self._last_came:
            raise SyntaxRefusedError("behind the last request")  # the parser goes on behind one of HTTP/1.0
        self._begun = True
        self._begin_message()

    def on_url(self, url: bytes) -> None:
        """Keep a piece of the target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep one field of the head, within its bounds."""
        if self.phase is not Phase.HEAD:
            return  # a trailer field: nobody may take it for a field of the head
        if len(self._fields) >= self.limits.head_fields:
            raise HeadError(f"the head has more than {self.limits.head_fields} fields")
        name = name.lower()
        self._fields.append((name, value))
        if name in _LOOKED_AT:
            self._look_at(name, value)

    def _look_at(self, name: bytes, value: bytes) -> None:
        if name == b"content-encoding":
            self._content_encoding = self._content_encoding + b"," + value if self._content_encoding else value
        elif name == b"expect":
            self._expects_continue = self._expects_continue or value.lower() == b"100-continue"
        elif self._framing is not None:
            raise SyntaxRefusedError("the length of the body is given twice")
        else:
            self._framing = name
            if name == b"content-length" and value.isdigit():
                self._content_length = int(value)
            elif value.lower() != b"chunked":
                raise SyntaxRefusedError("the length of the body is not given as a number or by `chunked`")

    def on_headers_complete(self) -> None:
        """End the head."""
        parser, limit = self._parser, self.limits.body_bytes
        version = parser.get_http_version()
        if version not in _VERSIONS:
            raise SyntaxRefusedError("not HTTP/1.1")
        self._target = _reduced(self._target)
        if version == "1.0":
            self._expects_continue = False  # RFC 9110 section 10.1.1
        else:
            self._keep_alive = parser.should_keep_alive()
        self.phase = Phase.BODY
        self._heads += 1
        self._head_bytes = self._barren_bytes = 0
        if self._content_length > limit:
            raise BodySizeError(f"a body of {self._content_length} bytes is announced; the limit is {limit}")
        if parser.should_upgrade():
            self._begin_upgrade()
        self.head_came()

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        self._carried = True
        self._body_bytes += len(body)
        if self._body_bytes > self.limits.body_bytes:
            raise BodySizeError(f"the body is longer than the limit of {self.limits.body_bytes} bytes")
        if not self._body:
            self._body = body
        elif isinstance(self._body, bytearray):
            self._body += body
        else:  # no list of pieces: an object for each of many small chunks takes far more than what is in them
            self._body = bytearray(self._body + body)

    def on_message_complete(self) -> None:
        """End the body."""
        self._begun = False
        if self.phase is Phase.BODY:
            self.phase = Phase.HEAD
            self._request_complete()

    def _begin_upgrade(self) -> None:
        if self._framing == b"transfer-encoding":
            raise SyntaxRefusedError("a chunked body beside `upgrade`")
        self._keep_alive = False
        self.phase = Phase.UPGRADE_BODY

    def _take_upgrade_body(self, data: bytes) -> None:
        body = data[: self._content_length - self._body_bytes]
        if body:
            self.on_body(body)
        if self._body_bytes == self._content_length:
            self.phase = Phase.ENDED
            self._request_complete()

    def _request_complete(self) -> None:
        body, self._body = bytes(self._body), b""  # an idle connection keeps none
        method: bytes = self._parser.get_method()
        request = Request(
            method.decode("ascii"),
            self._target,
            body=body,
            client_host=self.client,
            raw_headers=self._fields,
        )
        encoding = self._content_encoding.decode("latin-1") if body and self._content_encoding else ""
        self._last_came = not self._keep_alive
        self.request_came(WholeRequest(request, encoding, self._keep_alive))


def _reduced(target: bytes) -> bytes:
    """Reduce a target to path and query. Raises SyntaxRefusedError."""
    if target.startswith(b"/") and target.isascii() and b"#" not in target and not target.endswith(b"?"):
        return target  # what nearly all are
    try:
        parts = httptools.parse_url(target)
        target.decode("ascii")
    except (httptools.HttpParserInvalidURLError, UnicodeDecodeError):
        raise SyntaxRefusedError("the target is not one of HTTP") from None
    if not parts.path:
        raise SyntaxRefusedError("the target has no path")
    path: bytes = parts.path
    return path + b"?" + parts.query if parts.query else path
