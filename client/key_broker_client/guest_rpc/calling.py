"""Calls to a program of the guest, for the tools: over ttRPC to `unix://…`, over gRPC to `http://…` and `ip:port`.

One call is sent once: some of them change the machine.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Protocol, TypeVar

from attestack_common.errors import AttestackError
from attestation_protocol.errors import advice_of, code_of, text_of
from google.protobuf.message import DecodeError
from ttrpc_asyncio import Address, Client, StatusError, TtrpcError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from google.protobuf.message import Message

ResponseT = TypeVar("ResponseT", bound="Message")


class GuestCallError(AttestackError):
    """The peer refused the call, or cannot be reached. Code and advice are the peer's own, where it gave some."""

    default_code = "GUEST-CALL"


class Calls(Protocol):
    """Sends the bytes of a request, returns those of the answer."""

    async def __call__(self, service: str, method: str, payload: bytes) -> bytes:
        """Call. Raises GuestCallError."""
        ...


class Peer:
    """A program of the guest, seen by its caller."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def unary(self, service: str, method: str, request: Message, response: type[ResponseT]) -> ResponseT:
        """Call a method. Raises GuestCallError."""
        payload = await self._calls(service, method, request.SerializeToString())
        try:
            return response.FromString(payload)
        except DecodeError:
            raise GuestCallError(f"the answer to {method} is not the message of this method") from None


@contextlib.asynccontextmanager
async def peer(address: str, *, seconds: float) -> AsyncIterator[Peer]:
    """Connect; each call may take `seconds`. Raises GuestCallError, ConfigError, AddressError."""
    over = _over_ttrpc if address.startswith(("unix:", "vsock:", "tcp:")) else _over_grpc
    async with over(address, seconds) as calls:
        yield Peer(calls)


@contextlib.asynccontextmanager
async def _over_ttrpc(address: str, seconds: float) -> AsyncIterator[Calls]:
    where = Address.parse(address)
    try:
        client = await Client.connect(where)
    except TtrpcError as error:
        raise GuestCallError(error.message, code=error.code, advice="see whether the program runs") from None

    async def call(service: str, method: str, payload: bytes) -> bytes:
        try:
            return await client.call(service, method, payload, timeout=seconds)
        except StatusError as error:
            raise _refused(error.message) from None
        except TtrpcError as error:
            raise GuestCallError(error.message, code=error.code, advice=error.advice) from None

    async with client:
        yield call


@contextlib.asynccontextmanager
async def _over_grpc(address: str, seconds: float) -> AsyncIterator[Calls]:
    from attestack_common.grpc_edge import CallError, CallRefusedError, Channel, PeerAddress  # noqa: PLC0415  # grpcio

    async with Channel(PeerAddress.parse(address), max_calls=1) as channel:
        try:
            await channel.connect(min(seconds, 5.0))
        except CallError as error:
            raise GuestCallError(error.message, code=error.code, advice=error.advice) from None

        async def call(service: str, method: str, payload: bytes) -> bytes:
            try:
                return await channel.call(f"/{service}/{method}", payload, seconds=seconds, again=False)
            except CallRefusedError as error:
                raise _refused(error.message) from None
            except CallError as error:
                raise GuestCallError(error.message, code=error.code, advice=error.advice) from None

        yield call


def _refused(text: str) -> GuestCallError:
    return GuestCallError(text_of(text), code=code_of(text), advice=advice_of(text))
