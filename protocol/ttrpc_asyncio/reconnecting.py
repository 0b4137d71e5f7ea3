"""A client that connects when it is first used, and again when the connection has died.

A call is made a second time, once, and only where that cannot make the server act twice:

- the connection was found dead before the request was handed to the kernel, or the kernel took none of it; or
- the connection died later, and the caller has said that the call is `idempotent`.

In every other case the death of the connection is the caller's to deal with: ConnectionClosedError with `request_sent`.
A time limit that passed is never a reason to call again.

Callers that need a connection at the same time share one attempt to connect, and its outcome.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from ttrpc_asyncio.address import Address
from ttrpc_asyncio.client import Client, ResponseT, decode_answer
from ttrpc_asyncio.errors import ConnectionClosedError
from ttrpc_asyncio.frames import MAX_MESSAGE

if TYPE_CHECKING:
    from types import TracebackType

    from google.protobuf.message import Message

    from ttrpc_asyncio.context import Metadata


class ReconnectingClient:
    """A client of one address that survives restarts of the server. For one event loop."""

    def __init__(self, address: Address | str, *, connect_timeout: float = 5.0, max_message: int = MAX_MESSAGE) -> None:
        """Take note of the address, without connecting. Raises AddressError."""
        self._address = Address.parse(address) if isinstance(address, str) else address
        self._connect_timeout = connect_timeout
        self._max_message = max_message
        self._client: Client | None = None
        self._connecting: asyncio.Task[Client] | None = None
        self._closed = False

    async def call(
        self,
        service: str,
        method: str,
        payload: bytes,
        *,
        timeout: float | None,  # noqa: ASYNC109  # it travels to the server too
        metadata: Metadata | None = None,
        idempotent: bool = False,
    ) -> bytes:
        """Call as `Client.call` does. `timeout` does not count the connecting, which has a time limit of its own.

        Raises what `Client.call` raises, and ConnectError.
        """
        loop = asyncio.get_running_loop()
        client = await self._connected()
        deadline = None if timeout is None else loop.time() + timeout
        try:
            return await client.call(service, method, payload, timeout=timeout, metadata=metadata)
        except ConnectionClosedError as error:
            if error.request_sent and not idempotent:
                raise
        client = await self._connected()
        left = None if deadline is None else deadline - loop.time()
        return await client.call(service, method, payload, timeout=left, metadata=metadata)

    async def unary(
        self,
        service: str,
        method: str,
        request: Message,
        response_class: type[ResponseT],
        *,
        timeout: float | None,  # noqa: ASYNC109  # as for `call`
        metadata: Metadata | None = None,
        idempotent: bool = False,
    ) -> ResponseT:
        """Call a method with a protobuf message and return the answer as one. Raises what `call` raises."""
        payload = await self.call(
            service, method, request.SerializeToString(), timeout=timeout, metadata=metadata, idempotent=idempotent
        )
        return decode_answer(payload, response_class)

    async def close(self) -> None:
        """End the connection for good. Calls in flight, and calls that follow, raise ConnectionClosedError."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        if self._client is not None:
            await self._client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _connected(self) -> Client:
        if self._closed:
            raise ConnectionClosedError("the client is closed", request_sent=False)
        if self._client is not None and not self._client.closed:
            return self._client
        connecting = self._connecting
        if connecting is None or connecting.done():
            connecting = self._connecting = asyncio.create_task(self._connect())
            connecting.add_done_callback(_take_note)
        await asyncio.wait([connecting])
        if connecting.cancelled():
            raise ConnectionClosedError("the client is closed", request_sent=False)
        return connecting.result()

    async def _connect(self) -> Client:
        self._client = await Client.connect(self._address, timeout=self._connect_timeout, max_message=self._max_message)
        return self._client


def _take_note(connecting: asyncio.Task[Client]) -> None:
    """Look at the outcome: when every caller has given up, nobody else does, and the event loop would complain."""
    if not connecting.cancelled():
        connecting.exception()
