"""The client: many calls at once on one connection.

    async with await Client.connect("unix:///run/agent.sock", timeout=5) as client:
        payload = await client.call("package.Service", "Method", b"...", timeout=50)
        response = await client.unary("package.Service", "Method", request, Response, timeout=50)

Stream ids are odd, increase by two and are never used again. The time limit of a call travels with it and is also kept
here. When the connection ends, for whatever reason, every call in flight raises ConnectionClosedError.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Self, TypeVar

from google.protobuf.message import DecodeError, Message

from ttrpc_asyncio.address import Address
from ttrpc_asyncio.envelope import NO_METADATA, Request, decode_response, encode_request
from ttrpc_asyncio.errors import (
    ConnectError,
    ConnectionClosedError,
    DeadlineExceededError,
    EnvelopeError,
    FrameError,
    TtrpcError,
)
from ttrpc_asyncio.frames import MAX_MESSAGE, REQUEST, RESPONSE, encode_frame, oversize_text
from ttrpc_asyncio.protocol import FrameProtocol, logger
from ttrpc_asyncio.sockets import open_connection

if TYPE_CHECKING:
    from types import TracebackType

    from ttrpc_asyncio.context import Metadata
    from ttrpc_asyncio.frames import Frame

ResponseT = TypeVar("ResponseT", bound=Message)

LAST_STREAM_ID: Final = 0xFFFF_FFFF
_LONGEST_NANO: Final = (1 << 63) - 1
_LONGEST_SECONDS: Final = 366 * 24 * 3600.0

DRAIN_SECONDS: Final = 10.0
"""How long a server may leave requests unread before the connection is given up."""


class _ClientConnection(FrameProtocol):
    """The client's side of one connection."""

    def __init__(self, max_message: int) -> None:
        super().__init__(max_message=max_message, drain_seconds=DRAIN_SECONDS, holds_back=False)
        self.calls: dict[int, asyncio.Future[bytes]] = {}
        self.next_stream_id = 1

    @property
    def used_up(self) -> bool:
        """Whether all stream ids have been used. The calls in flight still get their answers."""
        return self.next_stream_id > LAST_STREAM_ID

    def frame_received(self, frame: Frame) -> None:
        """Hand an answer to the call that waits for it; drop any other frame."""
        call = self.calls.get(frame.stream_id) if frame.kind == RESPONSE else None
        if call is None or call.done():
            logger.debug("frame of type %d on stream %d dropped", frame.kind, frame.stream_id)
            return
        try:
            if frame.oversize:
                raise FrameError(oversize_text(frame.oversize, self.max_message))
            call.set_result(decode_response(frame.payload))
        except TtrpcError as error:
            call.set_exception(error)

    def connection_ended(self) -> None:
        """Fail the calls in flight."""
        for call in self.calls.values():
            if not call.done():
                call.set_exception(ConnectionClosedError(request_sent=True))

    async def exchange(self, body: bytes, deadline: float | None, name: str) -> bytes:
        """Send a request and wait for the payload of its answer."""
        if not self.writable.is_set():
            await self._wait_writable(deadline, name)
        stream_id = self.next_stream_id
        if self.used_up or not self.write(encode_frame(stream_id, REQUEST, body)):
            raise ConnectionClosedError(request_sent=False)
        self.next_stream_id += 2
        call: asyncio.Future[bytes] = self.loop.create_future()
        self.calls[stream_id] = call
        timer = None if deadline is None else self.loop.call_at(deadline, self._expire, call, name)
        try:
            return await call
        finally:
            del self.calls[stream_id]
            if timer is not None:
                timer.cancel()
            if self.used_up and not self.calls:
                self.close()

    async def _wait_writable(self, deadline: float | None, name: str) -> None:
        try:
            async with asyncio.timeout_at(deadline):
                await self.writable.wait()
        except TimeoutError:
            raise _too_late(name) from None

    @staticmethod
    def _expire(call: asyncio.Future[bytes], name: str) -> None:
        if not call.done():
            call.set_exception(_too_late(name))


class Client:
    """One connection to a server. Any number of calls may run at once. For one event loop."""

    def __init__(self, connection: _ClientConnection) -> None:
        self._connection = connection

    @classmethod
    async def connect(
        cls,
        address: Address | str,
        *,
        timeout: float = 5.0,  # noqa: ASYNC109  # the caller's limit becomes one error of this package
        max_message: int = MAX_MESSAGE,
    ) -> Self:
        """Connect within `timeout` seconds. Raises AddressError, ConnectError."""
        where = Address.parse(address) if isinstance(address, str) else address
        try:
            async with asyncio.timeout(timeout):
                return cls(await _connect(where, max_message))
        except TimeoutError:
            raise _nobody(where, f"no answer within {timeout:g} s") from None
        except OSError as error:
            raise _nobody(where, error.strerror or type(error).__name__) from None

    @property
    def closed(self) -> bool:
        """Whether the connection has ended. It can end at any time after it was asked."""
        connection = self._connection
        return connection.closed or connection.used_up or connection.transport.is_closing()

    async def call(
        self,
        service: str,
        method: str,
        payload: bytes,
        *,
        timeout: float | None,  # noqa: ASYNC109  # it travels to the server too
        metadata: Metadata | None = None,
    ) -> bytes:
        """Call a method and return the payload of its answer.

        Args:
            service: the fully qualified name, without slashes.
            method: the bare name.
            payload: at most 4 MiB together with the names and the metadata.
            timeout: seconds; None waits as long as the connection stands.
            metadata: keys are made lower-case.

        Raises:
            StatusError: the server answered with a status that is not OK.
            DeadlineExceededError: no answer in time.
            ConnectionClosedError: the connection has ended, before the call or during it.
            FrameError: the request, or its answer, is over the size limit.
            EnvelopeError: the answer is no answer.
        """
        name = f"/{service}/{method}"
        if timeout is not None and timeout <= 0:
            raise _too_late(name)
        connection = self._connection
        nanoseconds = 0 if timeout is None else min(max(int(timeout * 1e9), 1), _LONGEST_NANO)
        body = encode_request(Request(service, method, payload, nanoseconds, metadata or NO_METADATA))
        if len(body) > connection.max_message:
            raise FrameError(oversize_text(len(body), connection.max_message), advice="send less in one call")
        deadline = None if timeout is None or timeout > _LONGEST_SECONDS else connection.loop.time() + timeout
        return await connection.exchange(body, deadline, name)

    async def unary(
        self,
        service: str,
        method: str,
        request: Message,
        response_class: type[ResponseT],
        *,
        timeout: float | None,  # noqa: ASYNC109  # as for `call`
        metadata: Metadata | None = None,
    ) -> ResponseT:
        """Call a method with a protobuf message and return the answer as one. Raises what `call` raises."""
        payload = await self.call(service, method, request.SerializeToString(), timeout=timeout, metadata=metadata)
        return decode_answer(payload, response_class)

    async def close(self) -> None:
        """End the connection. Calls in flight raise ConnectionClosedError."""
        self._connection.close()
        await asyncio.wait([self._connection.lost], timeout=DRAIN_SECONDS)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def decode_answer(payload: bytes, response_class: type[ResponseT]) -> ResponseT:
    """Read the message in an answer. Raises EnvelopeError."""
    try:
        return response_class.FromString(payload)
    except DecodeError:
        raise EnvelopeError(
            f"the answer is not a {response_class.DESCRIPTOR.full_name}", code="TTRPC-PAYLOAD"
        ) from None


async def _connect(address: Address, max_message: int) -> _ClientConnection:
    loop = asyncio.get_running_loop()
    sock = await open_connection(address)
    try:
        if address.scheme == "tcp":
            _, connection = await loop.create_connection(lambda: _ClientConnection(max_message), sock=sock)
        else:
            _, connection = await loop.create_unix_connection(lambda: _ClientConnection(max_message), sock=sock)
    except BaseException:
        sock.close()
        raise
    return connection


def _nobody(address: Address, why: str) -> ConnectError:
    return ConnectError(f"cannot connect to {address}: {why}", advice="start the server, or correct the address")


def _too_late(name: str) -> DeadlineExceededError:
    return DeadlineExceededError(f"{name}: no answer in time")
