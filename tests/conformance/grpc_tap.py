"""A gRPC server that passes every call on to another one, byte for byte, and keeps what went by."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Self

import grpc  # type: ignore[import-untyped]


@dataclass(frozen=True)
class Tapped:
    """One call that went by."""

    method: str
    request: bytes
    code: int
    message: str
    response: bytes


class Tap(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpcio has no types
    """Listens on a free port of loopback. `answers` replaces what the other side would say, by method."""

    def __init__(self, target: int) -> None:
        self.calls: list[Tapped] = []
        self._channel = grpc.insecure_channel(f"127.0.0.1:{target}")
        self._server = grpc.server(ThreadPoolExecutor(16), handlers=(self,))
        self.port: int = self._server.add_insecure_port("127.0.0.1:0")

    def service(self, details: Any) -> Any:
        method = details.method

        def passed_on(request: bytes, context: Any) -> bytes:
            try:
                response: bytes = self._channel.unary_unary(method)(request, timeout=30)
            except grpc.RpcError as error:
                self.calls.append(Tapped(method, request, error.code().value[0], error.details() or "", b""))
                context.abort(error.code(), error.details())
            self.calls.append(Tapped(method, request, 0, "", response))
            return response

        return grpc.unary_unary_rpc_method_handler(passed_on)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(None).wait()
        self._channel.close()
