"""Serves a broker: its sockets, TLS and bounds, as `[http_server]` says.

With `worker_count` above one `workers` forks the processes, and each of them comes here with what it inherited.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from attestack_common.errors import ConfigError
from attestack_common.http_server import Limits, Server
from attestack_common.version import commit, version

from key_broker_service.assembly import broker
from key_broker_service.metrics import Metrics
from key_broker_service.worker_figures import PUBLISH_SECONDS

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Sequence

    from key_broker_service.config import HttpServer, KbsConfig
    from key_broker_service.supervisor import Worker
    from key_broker_service.worker_figures import FigureBoard

MEBIBYTE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Inherited:
    """What a worker has from its parent."""

    worker: Worker
    sockets: Sequence[socket.socket]
    board: FigureBoard


async def serve(config: KbsConfig, *, source: str, strict: bool = False) -> None:
    """Serve until cancelled. `source` names the configuration's file. Raises ConfigError, StorageError."""
    http = config.http_server
    async with broker(config, source=source, strict=strict) as api:
        tls = tls_context(http, source=source)
        await Server(api, sockets=http.sockets, tls=tls, limits=limits(http)).serve_forever()


async def serve_as_worker(config: KbsConfig, inherited: Inherited, *, source: str, strict: bool = False) -> None:
    """Serve on inherited sockets until cancelled, and tell the parent when that begins. Raises as `serve`."""
    http = config.http_server
    metrics = Metrics(version(), inherited.board, inherited.worker.slot, commit=commit())
    async with broker(config, source=source, strict=strict, metrics=metrics) as api:
        tls = tls_context(http, source=source)
        async with Server(api, sockets=inherited.sockets, tls=tls, limits=limits(http)) as server:
            inherited.worker.serving()
            publishing = asyncio.create_task(_publish(metrics))
            try:
                await server.serve_forever()
            finally:
                publishing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await publishing
        metrics.publish()


async def _publish(metrics: Metrics) -> None:
    while True:
        metrics.publish()
        await asyncio.sleep(PUBLISH_SECONDS)


def limits(http: HttpServer) -> Limits:
    """Return the bounds of the HTTP edge: those of the house, with the configured size of a body."""
    return Limits(body_bytes=http.payload_request_size * MEBIBYTE)


def tls_context(http: HttpServer, *, source: str) -> ssl.SSLContext | None:
    """Make the TLS context; None for plain HTTP. Raises ConfigError that names file and key."""
    if http.insecure_http or http.certificate is None or http.private_key is None:
        return None
    from attestack_common.http_server.tls import server_context  # noqa: PLC0415  # plain HTTP needs no ssl

    try:
        return server_context(
            http.certificate,
            http.private_key,
            profile=http.tls_profile,
            min_version=http.tls_min_version,
            max_version=http.tls_max_version,
            ciphers=http.tls_ciphers,
            groups=http.tls_groups,
        )
    except ConfigError as error:
        raise ConfigError(f"{source}: {error.message}", code=error.code, advice=error.advice) from None
