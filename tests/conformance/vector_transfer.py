"""One file over HTTP: bounded in size and time, resumed where it was cut, and not there before its digest is right.

What has come is kept beside as `<name>.part`, from one run to the next too. A server that cannot go on from there
sends the whole file again. Redirects lead from https to https only; plain http is for servers on this machine.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, BinaryIO, Final, TypeVar

import httpx

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

MAX_FILE: Final = 16 << 20
"""Bytes of a file: many times the largest vector."""
MAX_REDIRECTS: Final = 5
AT_ONCE: Final = 4
"""Files that are fetched at the same time."""

_OK, _PARTIAL, _NOT_SATISFIABLE = 200, 206, 416
_COME_AGAIN: Final = frozenset({408, 429, 500, 502, 503, 504})

T = TypeVar("T")


class TransferError(Exception):
    """The file cannot be had; the text says why, in a clause."""


class CutError(Exception):
    """The transfer came to no end; another attempt may. The text says why, in a clause."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long a file may take, in seconds, and in how many attempts."""

    file: float = 120.0
    """With all attempts."""
    silence: float = 20.0
    """Without a byte."""
    pause: float = 1.0
    """Before the second attempt; before each later one twice as long."""
    attempts: int = 4


def why_not(url: httpx.URL) -> str | None:
    """Return why nothing is fetched from there, or None if there is no reason."""
    if url.userinfo or not url.host:
        return "not the address of a server"
    if url.scheme == "https" or (url.scheme == "http" and _is_this_machine(url.host)):
        return None
    return "neither https, nor http on this machine"


class Transfer:
    """Fetches files, up to four at once."""

    def __init__(self, client: httpx.AsyncClient, bounds: Bounds) -> None:
        self._client = client
        self._bounds = bounds
        self._at_once = asyncio.Semaphore(AT_ONCE)

    async def file(self, url: str, path: Path, sha256: str) -> None:
        """Fetch the file of that SHA-256 to `path`. Raises TransferError, OSError."""
        part = path.with_name(f"{path.name}.part")

        async def attempt() -> None:
            start = _size(part)
            if start and _digest(part) == sha256:
                return
            start = await self._go_on(url, part, start)
            digest = _digest(part)
            if digest != sha256:
                _remove(part)
                if start:
                    raise CutError("what was kept of it was wrong")
                raise TransferError(f"has SHA-256 {digest}, the manifest says {sha256}")

        await self._attempted(attempt)
        part.replace(path)

    async def content(self, url: str) -> bytes:
        """Fetch a file into memory. Raises TransferError."""

        async def attempt() -> bytes:
            sink = io.BytesIO()
            async with self._answer(url, 0) as answer:
                if answer.status_code != _OK:
                    raise TransferError(f"status {answer.status_code}")
                await _copy(answer, sink, MAX_FILE)
            return sink.getvalue()

        return await self._attempted(attempt)

    async def _attempted(self, attempt: Callable[[], Awaitable[T]]) -> T:
        bounds, reason = self._bounds, ""
        async with self._at_once:
            try:
                async with asyncio.timeout(bounds.file):
                    for number in range(bounds.attempts):
                        if number:
                            await asyncio.sleep(bounds.pause * 2 ** (number - 1))
                        try:
                            return await attempt()
                        except (CutError, httpx.TransportError) as error:
                            reason = str(error) or type(error).__name__
            except TimeoutError:
                raise TransferError(f"took longer than {bounds.file:g} s; {reason}".rstrip("; ")) from None
        raise TransferError(f"{reason}, {bounds.attempts} times")

    async def _go_on(self, url: str, part: Path, start: int) -> int:
        """Fetch what is not yet there; return how much of what was there was used."""
        async with self._answer(url, start) as answer:
            if start and answer.status_code == _PARTIAL:
                if not answer.headers.get("content-range", "").startswith(f"bytes {start}-"):
                    _remove(part)
                    raise CutError("the server sent another part than it was asked for")
            elif start and answer.status_code == _NOT_SATISFIABLE:
                _remove(part)
                raise CutError("the file is shorter than what was kept of it")
            elif answer.status_code == _OK:
                start = 0
            else:
                raise TransferError(f"status {answer.status_code}")
            with _opened(part, start) as sink:
                try:
                    await _copy(answer, sink, MAX_FILE - start)
                except TransferError:
                    _remove(part)
                    raise
        return start

    @asynccontextmanager
    async def _answer(self, url: str, start: int) -> AsyncIterator[httpx.Response]:
        """Ask for a file from byte `start` on; follow redirects. Raises CutError, TransferError, httpx errors."""
        target = httpx.URL(url)
        headers = {"accept-encoding": "identity"} | ({"range": f"bytes={start}-"} if start else {})
        for _ in range(MAX_REDIRECTS + 1):
            request = self._client.build_request("GET", target, headers=headers, timeout=self._bounds.silence)
            answer = await self._client.send(request, stream=True, follow_redirects=False)
            try:
                following = answer.next_request
                if following is None:
                    if answer.status_code in _COME_AGAIN:
                        raise CutError(f"status {answer.status_code}")
                    if answer.headers.get("content-encoding", "identity") != "identity":
                        raise TransferError("is sent in another encoding than it was asked for")
                    yield answer
                    return
                target = _redirected(target, following.url)
            finally:
                await answer.aclose()
        raise TransferError(f"is redirected more than {MAX_REDIRECTS} times")


def _redirected(source: httpx.URL, target: httpx.URL) -> httpx.URL:
    """Return the target of a redirect. Raises TransferError if it is not followed."""
    reason = why_not(target)
    if reason is None and source.scheme == "https" != target.scheme:
        reason = "not https"
    if reason is not None:
        raise TransferError(f"is redirected to {target.scheme}://{target.host}: {reason}")
    return target


async def _copy(answer: httpx.Response, sink: BinaryIO, room: int) -> None:
    size = 0
    async for chunk in answer.aiter_raw():
        size += len(chunk)
        if size > room:
            raise TransferError(f"is larger than {MAX_FILE} bytes")
        sink.write(chunk)


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _opened(part: Path, start: int) -> BinaryIO:
    """Open a file to write behind its first `start` bytes, which are all that it has, or from nothing."""
    part.parent.mkdir(parents=True, exist_ok=True)
    return part.open("ab" if start else "wb")
