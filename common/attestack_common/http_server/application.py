"""The ASGI application around a handler: reads the body within its bounds, gives the handler its time, answers.

    body over the limit          413 `payload reached size limit`, connection closed
    body not as encoded          400 `payload reached EOF before completing: ...`
    handler out of time          503, empty, connection closed
    handler raises               500, empty; the log has the kind of error and where, never the request

A length that says too much is refused before a byte of the body is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from attestack_common.deadlines import DeadlineError, within
from attestack_common.http_server.errors import PLAIN_TEXT, BodySizeError, HandlerTimeError, RefusedError
from attestack_common.http_server.inflation import inflate
from attestack_common.http_server.messages import Handler, Limits, Request, Response
from attestack_common.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Scope: TypeAlias = MutableMapping[str, Any]
    Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
    Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_LOG: Final = get_logger("http")
_DEFAULT_LIMITS: Final = Limits()


class _DisconnectedError(Exception):
    """The peer went away before its body ended."""


def asgi_app(handler: Handler, limits: Limits = _DEFAULT_LIMITS) -> Application:
    """Make an ASGI application that answers HTTP requests by `handler`."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            body = await _read_body(scope["headers"], receive, limits.body_bytes)
            response = await _handle(handler, _request(scope, body), limits)
        except _DisconnectedError:
            return
        except RefusedError as refusal:
            _LOG.info("request refused", error=refusal, method=scope["method"], path=scope["path"])
            response = _refused(refusal)
        try:
            head = _head(response)
        except ValueError as error:
            _LOG.error("a handler made an answer that cannot be sent", error=error, path=scope["path"])
            response = Response(500)
            head = _head(response)
        await send({"type": "http.response.start", "status": response.status, "headers": head})
        await send({"type": "http.response.body", "body": response.body})

    return application


async def _handle(handler: Handler, request: Request, limits: Limits) -> Response:
    try:
        return await within(limits.handler_seconds, handler(request))
    except DeadlineError:
        raise HandlerTimeError(f"no answer within {limits.handler_seconds} seconds") from None
    except Exception as error:  # noqa: BLE001  # whatever it is, it must not reach the wire
        _LOG.error("a handler failed", error=error, method=request.method, path=request.path)
        return Response(500)


def _request(scope: Scope, body: bytes) -> Request:
    target, query = scope["raw_path"], scope["query_string"]
    client = scope.get("client")
    return Request(
        scope["method"],
        target + b"?" + query if query else target,
        body=body,
        client_host=client[0] if client else "",
        raw_headers=scope["headers"],
    )


async def _read_body(headers: list[tuple[bytes, bytes]], receive: Receive, limit: int) -> bytes:
    length, encoding, has_body = -1, b"", False
    for name, value in headers:
        if name == b"content-length":
            length = int(value) if value.isdigit() else -1
            has_body = value != b"0"
        elif name == b"transfer-encoding":
            has_body = True
        elif name == b"content-encoding":
            encoding = encoding + b"," + value if encoding else value
    if not has_body:
        return b""
    if length > limit:
        raise BodySizeError(f"a body of {length} bytes is announced; the limit is {limit}")
    body = await _receive_body(receive, limit)
    return inflate(body, encoding.decode("latin-1"), limit) if encoding else body


async def _receive_body(receive: Receive, limit: int) -> bytes:
    pieces, size = [], 0
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise _DisconnectedError
        piece = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(piece)
        if size > limit:
            raise BodySizeError(f"the body is longer than the limit of {limit} bytes")
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _refused(refusal: RefusedError) -> Response:
    text = refusal.wire_text.encode()
    closes = refusal.status != 400  # noqa: PLR2004  # the whole body of a 400 was read
    return Response(refusal.status, text, content_type=PLAIN_TEXT if text else None, close=closes)


def _head(response: Response) -> list[tuple[bytes, bytes]]:
    """Encode the header fields. Raises ValueError for what would end a line or cannot be encoded."""
    head = [(b"content-length", b"%d" % len(response.body))]
    if response.close:
        head.append((b"connection", b"close"))
    if response.content_type is not None:
        head.append((b"content-type", _field(response.content_type)))
    for name, value in response.headers:
        head.append((_field(name), _field(value)))  # a loop that mostly does not run is the cheapest
    return head


def _field(text: str) -> bytes:
    if not text.isprintable():
        raise ValueError("a header field with control characters")
    return text.encode("latin-1")
