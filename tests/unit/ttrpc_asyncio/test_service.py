"""Services bound from a protobuf descriptor."""

from __future__ import annotations

from typing import Any

import pytest
from ttrpc_asyncio import CallContext, Code, Peer, Service, StatusError
from ttrpc_asyncio.service import snake_case

from tests.unit.ttrpc_asyncio.peer import Ping, PingService, Pong, StreamService

CONTEXT = CallContext("tried.PingService", "SendPing", {}, 0, Peer(""))


class Pinger:
    async def SendPing(self, request: Any, context: CallContext) -> Any:  # noqa: N802  # as the descriptor has it
        return Pong(text=f"{request.text} {context.method}")

    async def send_later(self, request: Any, _context: CallContext) -> Any:
        return request


SERVICE = Service.from_descriptor(PingService, Pinger())


async def test_an_rpc_is_the_method_of_that_name() -> None:
    answer = await SERVICE.methods["SendPing"](Ping(text="hello").SerializeToString(), CONTEXT)
    assert Pong.FromString(answer).text == "hello SendPing"


async def test_an_rpc_may_be_written_in_snake_case() -> None:
    with pytest.raises(TypeError, match=r"tried\.PingService\.SendLater returned Ping, not Pong"):
        await SERVICE.methods["SendLater"](b"", CONTEXT)


async def test_an_rpc_that_is_not_there_is_not_supported() -> None:
    assert set(SERVICE.methods) == {"SendPing", "SendLater", "Send"}
    with pytest.raises(StatusError) as caught:
        await SERVICE.methods["Send"](b"", CONTEXT)
    assert caught.value.status is Code.NOT_FOUND
    assert caught.value.message == "/tried.PingService/Send is not supported"
    assert caught.value.code == "TTRPC-NOT-SUPPORTED"


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"\xff\xff\xff", "ttrpc err: Unexpected EOF"),
        (b"\x0a\x01\xff", "ttrpc err: Truncated message"),
        (b"\x12\x02\x0a\x05", "ttrpc err: Truncated message"),
        (b"\x0e\x00", "ttrpc err: Incorrect tag"),
    ],
)
async def test_a_payload_that_does_not_decode_is_unknown(payload: bytes, message: str) -> None:
    with pytest.raises(StatusError) as caught:
        await SERVICE.methods["SendPing"](payload, CONTEXT)
    assert (caught.value.status, caught.value.message) == (Code.UNKNOWN, message)
    assert caught.value.code == "TTRPC-PAYLOAD"


def test_streaming_is_refused_when_binding() -> None:
    with pytest.raises(ValueError, match=r"tried\.StreamService\.Watch is a streaming RPC"):
        Service.from_descriptor(StreamService, object())


@pytest.mark.parametrize(
    ("name", "snake"),
    [("GetTeeType", "get_tee_type"), ("UnWrapKey", "un_wrap_key"), ("GetTEEType", "get_tee_type"), ("Send", "send")],
)
def test_snake_case(name: str, snake: str) -> None:
    assert snake_case(name) == snake


async def test_a_context_without_deadline_has_no_end() -> None:
    assert CONTEXT.remaining() is None
    assert CallContext("s", "m", {}, 1, Peer(""), deadline=0.0).remaining() == 0.0
