"""HTTP to a broker: one pooled connection set, bounded in time and size, no redirects.

Cookies are not kept here: a session belongs to one handshake, which carries its cookie itself.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from key_broker_client.errors import BrokerAnswerError, BrokerUnreachableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

USER_AGENT: Final = "attestation-agent-kbs-client/0.1.0"
TIMEOUT: Final = 60.0
"""Seconds that one request may take, from connecting to the last byte."""
MAX_ANSWER: Final = 32 * 1024 * 1024
"""Bytes of an answer's body, at the most."""


@dataclass(frozen=True, slots=True)
class TransportSettings:
    """How to reach a broker."""

    url: str
    extra_root_pem: str | None = None
    """Root certificates that are trusted beside the platform's."""
    timeout: float = TIMEOUT
    user_agent: str = USER_AGENT


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes = field(repr=False)
    cookies: tuple[str, ...] = field(default=(), repr=False)
    """The values of `Set-Cookie`."""


class Transport(Protocol):
    """Sends requests to one broker. Raises BrokerUnreachableError when no answer comes."""

    async def send(self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str]) -> Answer:
        """Send to `<url><path>`."""
        ...


class HttpTransport:
    """A transport over httpx. The connections open on first use, and `close` ends them."""

    def __init__(self, settings: TransportSettings) -> None:
        self._settings = settings
        self._url = settings.url.rstrip("/")
        self._client: httpx.AsyncClient | None = None

    async def send(self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str]) -> Answer:
        """Send to `<url><path>`. Raises BrokerUnreachableError; BrokerAnswerError if the answer is too large."""
        import asyncio  # noqa: PLC0415  # as httpx

        import httpx  # noqa: PLC0415  # a third of a second that programs should not pay at start

        try:
            async with asyncio.timeout(self._settings.timeout):
                return await self._exchange(method, path, body, headers)
        except TimeoutError:
            raise BrokerUnreachableError(
                f"{self._url} did not answer within {self._settings.timeout:g} s",
                code="BROKER-TIMEOUT",
                advice="see whether the broker is overloaded, or a proxy holds the request",
            ) from None
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise BrokerUnreachableError(
                f"{self._url} cannot be reached: {type(error).__name__}: {str(error) or 'the connection broke'}",
                advice="check the URL, that the broker runs, and that its certificate is trusted",
            ) from None

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _exchange(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        client = self._opened()
        chunks: list[bytes] = []
        size = 0
        async with client.stream(method, f"{self._url}{path}", content=body, headers=dict(headers)) as response:
            async for chunk in response.aiter_bytes():
                size += len(chunk)
                if size > MAX_ANSWER:
                    raise BrokerAnswerError(
                        f"the answer of {self._url} is larger than {MAX_ANSWER} bytes", status=response.status_code
                    )
                chunks.append(chunk)
        return Answer(response.status_code, b"".join(chunks), tuple(response.headers.get_list("set-cookie")))

    def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            import httpx  # noqa: PLC0415  # as above

            settings = self._settings
            self._client = httpx.AsyncClient(
                verify=_trust(settings.extra_root_pem),
                timeout=settings.timeout,
                headers={"user-agent": settings.user_agent, "accept": "*/*"},
                follow_redirects=False,
            )
        return self._client


def _trust(extra_root_pem: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if extra_root_pem:
        try:
            context.load_verify_locations(cadata=extra_root_pem)
        except ssl.SSLError:
            raise BrokerUnreachableError(
                "the extra root certificate is not PEM", code="BROKER-ROOT", advice="give one or more PEM certificates"
            ) from None
    return context
