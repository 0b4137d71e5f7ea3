"""From a whole request to the bytes of its answer.

body not as encoded          400 `payload reached EOF before completing: ...`
body inflates over the limit 413 `payload reached size limit`, connection closed
handler out of time          503, empty, connection closed
handler raises               500, empty; the log has the kind of error and where, never the request

HTTP/1.1 200 OK
date, content-length, connection (only `close`), content-type (only if there is one), the fields of the handler
"""

from __future__ import annotations

import asyncio
import functools
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from attestack_common.deadlines import DeadlineError, within
from attestack_common.http_server.errors import PLAIN_TEXT, HandlerTimeError, RefusedError
from attestack_common.http_server.inflation import inflate
from attestack_common.http_server.messages import Limits, Request, Response
from attestack_common.logs import get_logger

if TYPE_CHECKING:
    from attestack_common.http_server.messages import Handler

_LOG: Final = get_logger("http")
_PHRASES: Final = {int(status): status.phrase for status in HTTPStatus}
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_OF_THE_EDGE: Final = frozenset({"content-length", "transfer-encoding", "connection"})
_WITHOUT_BODY: Final = frozenset({204, 304})
_KEEPS_CONNECTION: Final = 400
"""The refusal after which the connection can go on: the whole body was read."""


async def answer(handler: Handler, request: Request, limits: Limits, content_encoding: str = "") -> Response:
    """Inflate the body, ask the handler, and take care that there is an answer."""
    try:
        if content_encoding:
            request.body = inflate(request.body, content_encoding, limits.body_bytes)
        return await within(limits.handler_seconds, handler(request))
    except RefusedError as refusal:
        return _refused(request, refusal)
    except DeadlineError:
        return _refused(request, HandlerTimeError(f"no answer within {limits.handler_seconds} seconds"))
    except Exception as error:  # noqa: BLE001  # whatever it is, it must not reach the wire
        return _failed(request, error)
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        return _failed(request, error)  # what was cancelled is something that the handler waited for
    except (GeneratorExit, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001  # extension modules report their panics so
        return _failed(request, error)


def refusal_response(refusal: RefusedError) -> Response:
    """Return what a refusal is answered with."""
    text = refusal.wire_text.encode()
    closes = refusal.status != _KEEPS_CONNECTION
    return Response(refusal.status, text, content_type=PLAIN_TEXT if text else None, close=closes)


def encode_answer(request: Request, response: Response, date: bytes, *, close: bool) -> bytes:
    """Encode the answer to a request, or one of status 500 where the handler's cannot be sent.

    `date` is the field as a whole line; `close` says that the connection ends with this answer.
    """
    without_body = request.method == "HEAD"
    try:
        return encode(response, date, close=close, without_body=without_body)
    except (TypeError, ValueError) as error:
        _LOG.error("a handler made an answer that cannot be sent", error=error, path=request.path)
        return encode(Response(500), date, close=close, without_body=without_body)


def encode(response: Response, date: bytes, *, close: bool, without_body: bool = False) -> bytes:
    """Encode. Raises ValueError for what would end its line, cannot be encoded, or would be framed in two ways."""
    body = response.body
    if body and response.status in _WITHOUT_BODY:
        raise ValueError("a body with a status that has none")
    lines = [_status_line(response.status), date, b"content-length: %d\r\n" % len(body)]
    if close:
        lines.append(b"connection: close\r\n")
    if response.content_type is not None:
        lines.append(_content_type(response.content_type))
    for name, value in response.headers:
        lines += (_name(name), _value(value), b"\r\n")
    lines += (b"\r\n", b"" if without_body else body)
    return b"".join(lines)


def _failed(request: Request, error: BaseException) -> Response:
    _LOG.error("a handler failed", error=error, method=request.method, path=request.path)
    return Response(500)


def _refused(request: Request, refusal: RefusedError) -> Response:
    _LOG.info("request refused", error=refusal, method=request.method, path=request.path)
    return refusal_response(refusal)


@functools.lru_cache(maxsize=64)
def _status_line(status: int) -> bytes:
    if status < HTTPStatus.OK:
        raise ValueError("a status that is not that of an answer")
    return f"HTTP/1.1 {status} {_PHRASES.get(status, '')}\r\n".encode("ascii")


@functools.lru_cache(maxsize=64)
def _content_type(text: str) -> bytes:
    return b"content-type: " + _value(text) + b"\r\n"


@functools.lru_cache(maxsize=64)
def _name(text: str) -> bytes:
    if not _NAME.fullmatch(text):
        raise ValueError("the name of a header field with other characters than those of a name")
    if text.lower() in _OF_THE_EDGE:
        raise ValueError("a header field that frames the answer")
    return f"{text}: ".encode("ascii")


def _value(text: str) -> bytes:
    if not text.isprintable():
        raise ValueError("a header field with control characters")
    return text.encode("latin-1")
