"""Asks gRPC servers what was recorded, byte for byte, by a blocking client that knows nothing of our packages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import grpc  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from tests.conformance.recordings import Call


@dataclass(frozen=True)
class Answer:
    """What came of a call: `response` is empty where `code` is not 0."""

    code: int
    message: str
    response: bytes


class Client:
    """Calls to one server on loopback, or to the one that `channel` leads to."""

    def __init__(self, port: int, channel: grpc.Channel | None = None) -> None:
        self._channel = channel or grpc.insecure_channel(f"127.0.0.1:{port}")

    def ask(self, method: str, message: bytes, *, seconds: float = 30) -> Answer:
        """Call a unary method by its path."""
        try:
            return Answer(0, "", self._channel.unary_unary(method)(message, timeout=seconds))
        except grpc.RpcError as error:
            return Answer(error.code().value[0], error.details() or "", b"")

    def replay(self, service: str, call: Call) -> Answer:
        """Ask what was recorded: `method` is a path, or a name of the service's."""
        path = call.method if call.method.startswith("/") else f"/{service}/{call.method}"
        return self.ask(path, call.request)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()
