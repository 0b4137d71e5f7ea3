"""Where keys are configured to be: `https://…`, `file://…`, or a path. They are read once, at the start.

A JWK set behind `https` may be named by its own address, or by its issuer's: if the answer is no JWK set, or an empty
one, `<address>/.well-known/openid-configuration` is asked for its `jwks_uri`. Nothing else is followed. Each answer has
at most 1 MiB and comes within 30 s. A key of a set that has no `alg`, or is not of a kind that is taken, is left out;
so is one without `kid` where keys are looked up by it.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import unquote, urlsplit

import httpx
from attestack_common.errors import ConfigError
from attestack_common.files import read_bounded
from attestack_common.logs import get_logger
from attestation_protocol.encoding import parse_json
from attestation_protocol.errors import EncodingError, KeyFormatError

from trustee_core.token_trust.keys import TrustedKey, key_from_jwk

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BYTES: Final = 1 << 20
FETCH_SECONDS: Final = 30.0

_LOG: Final = get_logger("trustee.keys")
_DISCOVERY: Final = ".well-known/openid-configuration"


class HttpGet(Protocol):
    """Fetches an `https` address."""

    async def __call__(self, url: str, /) -> bytes:
        """Return the body, whatever the status. Raises OSError: the transport failed, or the body is too large."""
        ...


async def https_get(url: str, *, transport: httpx.AsyncBaseTransport | None = None) -> bytes:
    """Fetch an `https` address: no redirects, at most `MAX_BYTES`. Raises OSError. `transport` is for tests."""
    async with httpx.AsyncClient(timeout=FETCH_SECONDS, follow_redirects=False, transport=transport) as client:
        try:
            async with client.stream("GET", url) as response:
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > MAX_BYTES:
                        raise OSError(f"more than {MAX_BYTES} bytes")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise OSError(f"{type(error).__name__}: {error}") from None
    return bytes(body)


async def load_source(source: str, http_get: HttpGet, *, key: str) -> bytes:
    """Read what a source names. `key` is the configuration key, for messages. Raises ConfigError."""
    scheme, separator, _ = source.partition("://")
    if not separator:
        return read_bounded(Path(source), MAX_BYTES)
    if scheme == "file":
        parts = urlsplit(source)
        if parts.netloc not in {"", "localhost"} or parts.query or parts.fragment:
            raise _bad(key, f"{source}: not the address of a file on this machine")
        return read_bounded(Path(unquote(parts.path)), MAX_BYTES)
    if scheme == "https":
        return await _fetch(source, http_get, key=key)
    raise _bad(key, f"{scheme}:// is not a place for keys")


async def load_jwk_set(source: str, http_get: HttpGet, *, key: str) -> dict[str, TrustedKey]:
    """Read the keys of a JWK set by `kid`; the first of a `kid` counts. Raises ConfigError."""
    loaded: dict[str, TrustedKey] = {}
    for index, (kid, trusted) in (await load_keys(source, http_get, key=key)).items():
        if kid is None:
            _LOG.warning("a key of a JWK set is left out", source=source, index=index, reason="it has no `kid`")
        else:
            loaded.setdefault(kid, trusted)
    return loaded


async def load_keys(source: str, http_get: HttpGet, *, key: str) -> dict[int, tuple[str | None, TrustedKey]]:
    """Read the keys of a JWK set with their `kid`, by their place in it. Raises ConfigError."""
    body = await load_source(source, http_get, key=key)
    keys = _keys(body)
    if not keys and source.startswith("https://"):
        found = _object(await _fetch(f"{source.rstrip('/')}/{_DISCOVERY}", http_get, key=key)).get("jwks_uri")
        if not isinstance(found, str) or not found.startswith("https://"):
            raise _bad(key, f"{source} has neither a JWK set nor a discovery document with an https `jwks_uri`")
        keys = _keys(await _fetch(found, http_get, key=key))
    if keys is None:
        raise _bad(key, f"{source} has no JWK set")
    return _readable(keys, source)


def _readable(keys: list[Any], source: str) -> dict[int, tuple[str | None, TrustedKey]]:
    loaded: dict[int, tuple[str | None, TrustedKey]] = {}
    for index, jwk in enumerate(keys):
        kid = jwk.get("kid") if isinstance(jwk, dict) else None
        try:
            loaded[index] = kid if isinstance(kid, str) else None, key_from_jwk(jwk, source)
        except KeyFormatError as error:
            _LOG.warning("a key of a JWK set is left out", source=source, index=index, reason=error.message)
    return loaded


async def _fetch(url: str, http_get: HttpGet, *, key: str) -> bytes:
    try:
        async with asyncio.timeout(FETCH_SECONDS):
            body = await http_get(url)
    except TimeoutError:
        raise _bad(key, f"{url} did not answer within {FETCH_SECONDS:g} s") from None
    except OSError as error:
        raise _bad(key, f"{url} cannot be read: {error}") from None
    if len(body) > MAX_BYTES:
        raise _bad(key, f"{url} answers with more than {MAX_BYTES} bytes")
    return body


def _keys(body: bytes) -> list[Any] | None:
    keys = _object(body).get("keys")
    return keys if isinstance(keys, list) else None


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        document = parse_json(body)
    except EncodingError:
        return {}
    return document if isinstance(document, dict) else {}


def _bad(key: str, message: str) -> ConfigError:
    return ConfigError(
        f"{key}: {message}", code="KEY-SOURCE", advice="name an https:// address, a file:// address, or a path"
    )
