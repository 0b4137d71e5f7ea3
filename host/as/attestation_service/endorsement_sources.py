"""Where endorsements come from: places that the configuration names, never a URL taken from evidence.

    KDS            GET <base_url>/<path>. Redirects are not followed, a body is read raw and to 64 KiB at the most.
    OfflineStore   <path>/<one of the request's offline paths>, the first that is there. A path is made of plain
                   segments, so it cannot leave the folder.

A source answers with bytes, or None when it does not have the thing. When it cannot tell it raises SourceFailure;
`busy` says that it asked to be left alone for a while, or did not answer at all.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlsplit

from attestack_common.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    import httpx
    from evidence_verifiers.contract import EndorsementRequest

MAX_ENDORSEMENT: Final = 64 * 1024
"""Bytes of one endorsement at the most."""

SECONDS: Final = 10.0
"""How long a source may take for one request."""

_CONNECTIONS: Final = 8
_PATH: Final = re.compile(r"[A-Za-z0-9._~/-]+(\?[A-Za-z0-9._~&=-]+)?")
_SEGMENT: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
_NOT_THERE: Final = frozenset({400, 404, 410})
"""AMD's service answers 400 for a chip or TCB that does not exist."""
_BUSY: Final = frozenset({429, 503})


class SourceFailure(Exception):  # noqa: N818  # not an error of the tree: the fetcher turns it into one
    """A source could not tell. `busy`: leave it alone, for `retry_after` seconds if it said so."""

    def __init__(self, reason: str, *, busy: bool = False, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.busy = busy
        self.retry_after = retry_after


class Source(Protocol):
    """A place that has endorsements."""

    @property
    def name(self) -> str:
        """What the operator's log calls it."""
        ...

    async def get(self, request: EndorsementRequest) -> bytes | None:
        """Return what was asked for, or None when it is not there. Raises SourceFailure."""
        ...

    async def close(self) -> None:
        """Release what it holds."""
        ...


@dataclass(slots=True)
class OnlineSource:
    """A service that answers GET below one base URL. One client with a few connections, made when first needed."""

    base_url: str
    _client: httpx.AsyncClient | None = None

    def __post_init__(self) -> None:
        """Refuse what is not a plain HTTP base URL. Raises ConfigError."""
        parts = urlsplit(self.base_url)
        plain = parts.scheme in {"http", "https"} and parts.hostname and "@" not in parts.netloc
        if not plain or parts.query or parts.fragment:
            raise ConfigError(
                "`base_url` of a KDS source is not a plain http or https URL",
                code="AS-KDS-URL",
                advice="give scheme, host and path only, for example https://kdsintf.amd.com",
            )

    @property
    def name(self) -> str:
        """The base URL."""
        return self.base_url

    async def get(self, request: EndorsementRequest) -> bytes | None:
        """GET it. Raises SourceFailure."""
        import httpx  # noqa: PLC0415  # 0.3 s to import: only where evidence came without its certificate

        if not _PATH.fullmatch(request.path):
            raise SourceFailure(f"the path {request.path!r:.80} is not one to ask for")
        if self._client is None:
            limits = httpx.Limits(max_connections=_CONNECTIONS)
            self._client = httpx.AsyncClient(follow_redirects=False, timeout=SECONDS, limits=limits)
        url = f"{self.base_url.rstrip('/')}/{request.path.lstrip('/')}"
        try:
            async with (
                asyncio.timeout(SECONDS),
                self._client.stream("GET", url, headers={"accept-encoding": "identity"}) as response,
            ):
                return await _answer(response)
        except (httpx.HTTPError, TimeoutError) as error:
            raise SourceFailure(f"no answer: {type(error).__name__}", busy=True) from None

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()


@dataclass(frozen=True, slots=True)
class OfflineStore:
    """A folder that holds endorsements."""

    path: Path

    @property
    def name(self) -> str:
        """The folder."""
        return str(self.path)

    async def get(self, request: EndorsementRequest) -> bytes | None:
        """Read the first of the request's offline paths that is there. Raises SourceFailure."""
        for relative in request.offline:
            if not all(_SEGMENT.fullmatch(segment) for segment in relative.split("/")):
                raise SourceFailure(f"the path {relative!r:.80} is not one to look for")
            data = await asyncio.to_thread(_read, self.path / relative)
            if data is not None:
                return data
        return None

    async def close(self) -> None:
        """Nothing is held."""


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_ENDORSEMENT + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise SourceFailure(f"cannot read {path}: {error.strerror}") from None
    return _bounded(data)


async def _answer(response: httpx.Response) -> bytes | None:
    status = response.status_code
    if status in _NOT_THERE:
        return None
    if status in _BUSY:
        raise SourceFailure(f"status {status}", busy=True, retry_after=_seconds(response.headers.get("retry-after")))
    if status != 200:  # noqa: PLR2004  # OK; redirects are among the rest
        raise SourceFailure(f"status {status}")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise SourceFailure("the answer is compressed, which was not asked for")
    data = b""
    async for chunk in response.aiter_raw():
        data += chunk
        if len(data) > MAX_ENDORSEMENT:
            break
    return _bounded(data)


def _bounded(data: bytes) -> bytes:
    if not data or len(data) > MAX_ENDORSEMENT:
        raise SourceFailure("the answer is empty" if not data else f"the answer is larger than {MAX_ENDORSEMENT} bytes")
    return data


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 7 else None  # noqa: PLR2004
