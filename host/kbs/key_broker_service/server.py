"""Serves a broker: its sockets, TLS and bounds, as `[http_server]` says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attestack_common.errors import ConfigError
from attestack_common.http_server import Limits, Server
from attestack_common.logs import get_logger

from key_broker_service.assembly import broker

if TYPE_CHECKING:
    import ssl

    from key_broker_service.config import HttpServer, KbsConfig

MEBIBYTE: Final = 1024 * 1024

_LOG: Final = get_logger("kbs")


async def serve(config: KbsConfig, *, source: str, strict: bool = False) -> None:
    """Serve until cancelled. `source` names the configuration's file. Raises ConfigError, StorageError."""
    http = config.http_server
    if http.worker_count is not None and http.worker_count > 1:
        _LOG.info("one process serves: http_server.worker_count has no effect", worker_count=http.worker_count)
    async with broker(config, source=source, strict=strict) as api:
        tls = tls_context(http, source=source)
        await Server(api, sockets=http.sockets, tls=tls, limits=limits(http)).serve_forever()


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
