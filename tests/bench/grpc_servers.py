"""A server that echoes, as a process: `python -m tests.bench.grpc_servers spliced|bare`. It prints its port.

`spliced` is ours, whose port HTTP/1.1 clients may share; `bare` is grpcio's own, with the same method.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any, Final

import grpc  # type: ignore[import-untyped]
import grpc.aio  # type: ignore[import-untyped]
import uvloop
from attestack_common.grpc_edge import GrpcServer, Service
from attestack_common.http_server import Request, Response

SERVICE: Final = "bench.Echo"
METHOD: Final = f"/{SERVICE}/Echo"


async def echo(message: bytes) -> bytes:
    return message


async def page(_request: Request) -> Response:
    return Response()


async def spliced() -> None:
    server = GrpcServer([Service(SERVICE, {"Echo": echo})], address="127.0.0.1:0", http=page)
    address = await server.start()
    print(address.rpartition(":")[2], flush=True)
    await server.serve_forever()


async def bare() -> None:
    async def handler(message: bytes, _context: Any) -> bytes:
        return await echo(message)

    server = grpc.aio.server()
    methods = {"Echo": grpc.unary_unary_rpc_method_handler(handler)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, methods)])
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run({"spliced": spliced, "bare": bare}[sys.argv[1]]())
