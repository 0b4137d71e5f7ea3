"""What a peer of the HTTP edge sends: whole requests within their bounds or a refusal, however the stream is cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attestack_common.http_server import Limits
from attestack_common.http_server.errors import RefusedError
from attestack_common.http_server.reading import Phase, RequestReader, WholeRequest

from tests.conformance.recordings import http_recordings

if TYPE_CHECKING:
    from collections.abc import Iterable

LIMITS = Limits(head_fields=16, body_bytes=256)
PIECE = 7
RECORDED = 40
"""How many recorded requests are seeds."""


class Reader(RequestReader):
    """Keeps the requests that came."""

    def __init__(self) -> None:
        super().__init__(LIMITS)
        self.came: list[tuple[str, bytes, bytes, str, bool]] = []

    def head_came(self) -> None:
        self.wants_continue()

    def request_came(self, whole: WholeRequest) -> None:
        request = whole.request
        assert request.raw_target.startswith((b"/", b"*"))
        assert len(request.body) <= LIMITS.body_bytes
        assert len(request.headers) <= LIMITS.head_fields
        assert not self.came or self.came[-1][-1], "a request behind the last one"
        self.came.append((request.method, request.raw_target, request.body, whole.content_encoding, whole.keep_alive))

    def take(self, pieces: Iterable[bytes]) -> None:
        try:
            for piece in pieces:
                self.read(piece)
        except RefusedError:
            self.phase = Phase.ENDED


def target(data: bytes) -> None:
    at_once, in_pieces = Reader(), Reader()
    at_once.take([data])
    in_pieces.take(data[start : start + PIECE] for start in range(0, len(data), PIECE))
    assert at_once.came == in_pieces.came


def seeds() -> Iterable[bytes]:
    yield b"GET /a%2Fb?c=d#e HTTP/1.1\r\nhost: kbs\r\n\r\nGET * HTTP/1.0\r\n\r\n"
    fields = b"expect: 100-continue\r\ncontent-length: 3\r\nconnection: close\r\n"
    yield b"POST / HTTP/1.1\r\n" + fields + b"\r\nabcGET / HTTP/1.1\r\n\r\n"
    yield b"PUT / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\na: b\r\n\r\nGET / HTTP/1.1\r\n\r\n"
    fields = b"connection: upgrade\r\nupgrade: h2c\r\ncontent-length: 3\r\n"
    yield b"POST / HTTP/1.1\r\n" + fields + b"\r\nabcGET / HTTP/1.1\r\n\r\n"
    yield b"GET http://kbs/x HTTP/1.1\r\ncontent-encoding: gzip\r\ncontent-encoding: br\r\n\r\n"
    steps = [step.request for recording in http_recordings("kbs") for step in recording.steps]
    for request in steps[:RECORDED]:
        lines = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items)
        yield f"{request.method} {request.target} HTTP/1.1\r\n{lines}\r\n".encode() + request.body[: LIMITS.body_bytes]


TARGET = target
SEEDS = seeds
