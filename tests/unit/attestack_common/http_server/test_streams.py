"""Valid streams over real sockets: however they are cut, each request is answered once, in order, with its own body."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest
from attestack_common.http_server import Request, Response

from tests.unit.attestack_common.http_server.edge import WAIT, connected, serving

if TYPE_CHECKING:
    from collections.abc import Iterator


def framed(rng: random.Random, number: int, body: bytes) -> bytes:
    """A request in one of the ways in which its body can be framed."""
    head = b"%s/%d HTTP/1.1\r\nhost: kbs\r\n" % (rng.choice([b"POST ", b"PUT ", b"\r\nDELETE "]), number)
    if rng.random() < 0.3:
        head += b"x-filler: " + b"f" * rng.randrange(3000) + b"\r\n"
    if rng.random() < 0.1:
        head += b"expect: 100-continue\r\n"
    if rng.random() < 0.5:
        return head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    head += b"transfer-encoding: Chunked\r\n\r\n"
    while body:
        size = rng.randint(1, len(body))
        head += b"%x%s\r\n" % (size, rng.choice([b"", b";a=b"])) + body[:size] + b"\r\n"
        body = body[size:]
    return head + b"0\r\n" + rng.choice([b"", b"x-late: y\r\n"]) + b"\r\n"


def pieces(rng: random.Random, stream: bytes) -> Iterator[bytes]:
    at = 0
    longest = rng.choice([len(stream) // 100 + 2, 2000, 200_000])
    while at < len(stream):
        size = rng.randint(1, longest)
        yield stream[at : at + size]
        at += size


async def echo(request: Request) -> Response:
    for _ in range(len(request.body) % 3):  # some at once, some later
        await asyncio.sleep(0)
    return Response(200, request.path.encode() + b" " + request.body, headers=(("x-body", str(len(request.body))),))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("ends", ["open", "half-closed", "last"])
async def test_a_stream_is_answered_alike_however_it_is_cut(seed: int, ends: str) -> None:
    rng = random.Random(f"{seed} {ends}")  # the same streams each time
    bodies = [rng.randbytes(rng.choice([0, 1, 50, 3000, 70_000])) for _ in range(rng.randint(1, 15))]
    stream = b"".join(framed(rng, number, body) for number, body in enumerate(bodies))
    if ends == "last":
        bodies.append(b"")
        stream += b"GET /%d HTTP/1.%s\r\n\r\nGET /behind HTTP/1.1\r\n\r\n" % (
            len(bodies) - 1,
            rng.choice([b"0", b"0\r\nconnection: keep-alive", b"1\r\nconnection: close"]),
        )
    async with serving(echo) as server, connected(server) as connection:

        async def send() -> None:
            for piece in pieces(rng, stream):
                await connection.send(piece)
                if rng.random() < 0.1:
                    await asyncio.sleep(0.001)
            if ends == "half-closed":
                connection.writer.write_eof()

        sending = asyncio.create_task(send())
        for number, body in enumerate(bodies):
            answer = await connection.answer_after_continue()
            assert (answer.status, answer.headers["x-body"]) == (200, str(len(body)))
            assert answer.body == b"/%d " % number + body
        await asyncio.wait_for(sending, WAIT)
        if ends != "open":
            assert await connection.rest() == b""
