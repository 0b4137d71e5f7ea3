"""Calls to one gRPC peer: bounded in number and time, over one connection that is made anew when it breaks.

A call that finds no connection is tried once more, as soon as there is one, within `RECONNECT_SECONDS` and its own
time. Methods that must not run twice are called with `again=False`; those of attestation may.

With `https` the peer's certificate must lead to a root that the machine trusts (`SSL_CERT_FILE` names others). Proxies
of the environment are not used.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from attestack_common.files import read_bounded
from attestack_common.grpc_edge import loading
from attestack_common.grpc_edge.errors import CallError, CallRefusedError, CallTimeoutError, PeerUnreachableError
from attestack_common.grpc_edge.messages import MEBIBYTE, Status

if TYPE_CHECKING:
    from attestack_common.grpc_edge.address import PeerAddress


MESSAGE_BYTES: Final = 4 * MEBIBYTE
"""The largest answer that is taken."""
RECONNECT_SECONDS: Final = 3.0
_GIVE_UP_SECONDS: Final = 0.1

_OPTIONS: Final = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.lb_policy_name", "round_robin"),
    ("grpc.use_local_subchannel_pool", 1),
)

_ROOTS: Final = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
_MAX_ROOTS: Final = 8 * MEBIBYTE


class Channel:
    """The calls of this process to one peer. It connects with the first call, or by `connect`."""

    def __init__(self, address: PeerAddress, *, max_calls: int) -> None:
        """`max_calls` bounds those under way; others wait within their time."""
        self.address = address
        self._slots = asyncio.Semaphore(max_calls)
        self._channel: Any = None
        self._methods: dict[str, Any] = {}

    async def connect(self, seconds: float) -> None:
        """Wait until there is a connection. Raises PeerUnreachableError."""
        try:
            async with asyncio.timeout(seconds):
                await self._open().channel_ready()
        except TimeoutError:
            raise self._unreachable() from None

    async def call(self, method: str, message: bytes, *, seconds: float, again: bool = True) -> bytes:
        """Call a unary method, for example `/reference.ReferenceValueProviderService/QueryReferenceValue`.

        `again` is False for a method that must not run twice.

        Raises CallRefusedError, PeerUnreachableError, CallTimeoutError.
        """
        end = time.monotonic() + seconds
        try:
            async with asyncio.timeout(seconds):
                await self._slots.acquire()
        except TimeoutError:
            raise self._timeout(seconds) from None
        try:
            try:
                return await self._once(method, message, end - time.monotonic())
            except PeerUnreachableError:
                if not again:
                    raise
                await self._leave_broken()
                left = min(RECONNECT_SECONDS, end - time.monotonic())
                if left <= 0:
                    raise
            try:
                return await self._once(method, message, left, wait_for_ready=True)
            except CallTimeoutError:
                raise self._unreachable() from None
        finally:
            self._slots.release()

    async def close(self) -> None:
        """End the connection, and the calls under way."""
        if self._channel is not None:
            channel, self._channel = self._channel, None
            self._methods.clear()
            await channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _once(self, method: str, message: bytes, seconds: float, *, wait_for_ready: bool = False) -> bytes:
        grpc = loading.load()
        callable_ = self._methods.get(method)
        if callable_ is None:
            callable_ = self._methods[method] = self._open().unary_unary(method)
        try:
            answer: bytes = await callable_(message, timeout=max(seconds, 0.001), wait_for_ready=wait_for_ready)
        except grpc.aio.AioRpcError as error:
            raise self._failure(loading.status_of(error.code()), error.details() or "", seconds) from None
        return answer

    async def _leave_broken(self) -> None:
        """Wait a moment for the connection to be given up: a second try must not go over one that has broken."""
        channel, ready = self._open(), loading.load().ChannelConnectivity.READY
        if channel.get_state() is ready:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GIVE_UP_SECONDS):
                    await channel.wait_for_state_change(ready)

    def _failure(self, status: Status, text: str, seconds: float) -> CallError:
        if status is Status.UNAVAILABLE:
            return self._unreachable()
        if status is Status.DEADLINE_EXCEEDED:
            return self._timeout(seconds)
        return CallRefusedError(status, text)

    def _open(self) -> Any:  # noqa: ANN401  # a channel of grpcio
        if self._channel is None:
            grpc = loading.load()
            target, options = self.address.target, list(_OPTIONS)
            if self.address.tls:
                credentials = grpc.ssl_channel_credentials(root_certificates=_machine_roots())
                self._channel = grpc.aio.secure_channel(target, credentials, options=options)
            else:
                self._channel = grpc.aio.insecure_channel(target, options=options)
        return self._channel

    def _unreachable(self) -> PeerUnreachableError:
        return PeerUnreachableError(
            f"{self.address} cannot be reached", advice="see whether it runs, and whether the address is right"
        )

    def _timeout(self, seconds: float) -> CallTimeoutError:
        return CallTimeoutError(f"{self.address} did not answer within {seconds:.3g} s", advice="try again")


def _machine_roots() -> bytes | None:
    """Return the roots that this machine trusts, PEM; None (grpcio's own) where no file has them."""
    named = ssl.get_default_verify_paths().cafile
    for path in (named, *_ROOTS) if named else _ROOTS:
        if Path(path).is_file():
            return read_bounded(path, _MAX_ROOTS)
    return None
