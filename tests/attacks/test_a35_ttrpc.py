"""A35 on the ttRPC sockets: what a handler works on shows neither in an answer, nor in the log, nor in an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ttrpc_asyncio import CallContext, Client, Code, Server, Service, StatusError, TtrpcError

from tests.unit.ttrpc_asyncio.peer import Ping, PingService, methods, some_address

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "correct horse battery staple"


async def leaks(payload: bytes, _context: CallContext) -> bytes:
    raise ValueError(f"cannot use {payload!r}")


async def returns_nonsense(payload: bytes, _context: CallContext) -> bytes:
    return payload.decode()  # type: ignore[return-value]


class Leaks:
    async def send_ping(self, request: object, _context: CallContext) -> object:
        return [request]  # its repr would hold the request


def assert_failed_in_silence(error: StatusError, log: str) -> None:
    assert (error.status, error.message, error.details) == (Code.UNKNOWN, "the handler failed [TTRPC-HANDLER]", ())
    assert SECRET not in log
    assert "Traceback" not in log


def with_code(error: StatusError) -> str:
    return f"{error.message} [{error.code}]"


@pytest.mark.parametrize(
    ("service", "method", "payload"),
    [
        (lambda: Service("tried.PingService", methods(SendPing=leaks)), "SendPing", SECRET.encode()),
        (lambda: Service("tried.PingService", methods(SendPing=returns_nonsense)), "SendPing", SECRET.encode()),
        (
            lambda: Service.from_descriptor(PingService, Leaks()),
            "SendPing",
            Ping(text=SECRET).SerializeToString(),
        ),
    ],
    ids=["raises", "returns another type", "returns another message"],
)
async def test_a35_a_handler_that_fails_shows_nothing_of_its_call(
    service: Callable[[], Service], method: str, payload: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    async with Server([service()], error_text=with_code) as server:
        address = await server.start(some_address())
        async with await Client.connect(address) as client:
            with pytest.raises(StatusError) as caught:
                await client.call("tried.PingService", method, payload, timeout=20)
    assert_failed_in_silence(caught.value, caplog.text)


async def test_a35_errors_of_the_client_do_not_hold_the_request(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    errors: list[TtrpcError] = []
    async with Server([Service("try.Service", methods())], max_message=64) as server:
        address = await server.start(some_address())
        async with await Client.connect(address, max_message=128) as client:
            for size, limit in ((1, 0.0), (2, 20.0), (4, 20.0)):
                with pytest.raises(TtrpcError) as caught:
                    await client.call("try.Service", "Echo", SECRET.encode() * size, timeout=limit)
                errors.append(caught.value)
    assert [error.code for error in errors] == ["TTRPC-DEADLINE", "TTRPC-STATUS", "TTRPC-MESSAGE-SIZE"]
    for error in errors:
        assert SECRET not in f"{error} {error!r} {vars(error)}"
    assert SECRET not in caplog.text
