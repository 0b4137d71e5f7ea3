"""HTTP to a broker: one set of pooled connections, bounded in time and size.

    redirects     not followed: a broker sends none, and credentials go to the configured host alone
    cookies       not kept: a session belongs to one handshake, which carries its cookie itself
    encodings     not offered, and refused: nothing is inflated
    proxies       as the environment says (`HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`)
    GET           sent a second time, once, when its connection broke: brokers close idle ones at any time

No message shows what was sent, nor user information in the URL. The HTTP library's own log is left out whatever the
level: at `debug` it writes cookies, and every URL at `info`.
"""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlsplit

from key_broker_client.errors import BrokerAnswerError, BrokerSettingsError, BrokerUnreachableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

USER_AGENT: Final = "attestation-agent-kbs-client/0.1.0"
TIMEOUT: Final = 60.0
"""Seconds that one request may take, from connecting to the last byte."""
IDLE: Final = 4.0
"""Seconds that an idle connection is kept; brokers close theirs after five."""
MAX_ANSWER: Final = 32 * 1024 * 1024
"""Bytes of an answer's body, at the most."""

_USER_INFORMATION: Final = re.compile(r"(?<=//)[^/?#]*@")
_FIELD: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?", re.ASCII)
_MAX_PORT: Final = 0xFFFF


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
    """Sends requests to one broker."""

    async def send(self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str]) -> Answer:
        """Send to `<url><path>`. Raises BrokerUnreachableError when no answer comes."""
        ...

    async def close(self) -> None:
        """Close the connections. A request that follows opens them again."""
        ...


class HttpTransport:
    """A transport over httpx. The connections open on first use, and `close` ends them."""

    def __init__(self, settings: TransportSettings) -> None:
        self._settings = settings
        self._url = settings.url.rstrip("/")
        self._shown = shown_url(self._url)
        self._client: httpx.AsyncClient | None = None

    async def send(self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str]) -> Answer:
        """Send to `<url><path>`.

        Raises:
            BrokerSettingsError: nothing can be sent.
            BrokerUnreachableError: no answer came.
            BrokerAnswerError: the answer is too large, or encoded.
        """
        import httpx  # noqa: PLC0415  # a third of a second that programs should not pay at start

        _check_fields(headers)
        client = self._opened()
        try:
            async with asyncio.timeout(self._settings.timeout):
                try:
                    return await self._exchange(client, method, path, body, headers)
                except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
                    if method != "GET":
                        raise
                return await self._exchange(client, method, path, body, headers)
        except TimeoutError:
            raise BrokerUnreachableError(
                f"{self._shown} did not answer within {self._settings.timeout:g} s",
                code="BROKER-TIMEOUT",
                advice="see whether the broker is overloaded, or a proxy holds the request",
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise BrokerUnreachableError(
                f"{self._shown} cannot be reached: {type(error).__name__}: {str(error) or 'the connection broke'}",
                advice="check the URL, that the broker runs, and that its certificate is trusted",
            ) from None

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _exchange(
        self, client: httpx.AsyncClient, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        chunks: list[bytes] = []
        size = 0
        async with client.stream(method, f"{self._url}{path}", content=body, headers=dict(headers)) as response:
            if response.headers.get("content-encoding", "identity").lower() != "identity":
                raise BrokerAnswerError(f"the answer of {self._shown} is encoded", status=response.status_code)
            async for chunk in response.aiter_raw():
                size += len(chunk)
                if size > MAX_ANSWER:
                    raise BrokerAnswerError(
                        f"the answer of {self._shown} is larger than {MAX_ANSWER} bytes", status=response.status_code
                    )
                chunks.append(chunk)
        return Answer(response.status_code, b"".join(chunks), tuple(response.headers.get_list("set-cookie")))

    def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            import httpx  # noqa: PLC0415  # as above

            _check_url(self._url)
            for talkative in ("httpx", "httpcore"):
                logging.getLogger(talkative).setLevel(logging.WARNING)
            trust = _trust(self._settings.extra_root_pem)
            try:
                self._client = httpx.AsyncClient(
                    verify=trust,
                    timeout=None,  # noqa: S113  # one limit for the whole exchange stands around it
                    limits=httpx.Limits(keepalive_expiry=IDLE),
                    headers={"user-agent": self._settings.user_agent, "accept": "*/*"},
                    follow_redirects=False,
                )
            except (ValueError, ImportError, httpx.InvalidURL):  # their texts may show the proxy's password
                raise BrokerSettingsError(
                    "the proxy that the environment names cannot be used",
                    code="BROKER-PROXY",
                    advice="see HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, or name the broker in NO_PROXY",
                ) from None
            for not_the_stock_guests in ("accept-encoding", "connection"):
                self._client.headers.pop(not_the_stock_guests, None)
        return self._client


def shown_url(url: str) -> str:
    """Return a URL without user information, for messages and logs."""
    return _USER_INFORMATION.sub("", url)


def is_private(url: str) -> bool:
    """Whether nobody on the way can read or change what is sent: HTTPS, or a peer on this machine."""
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" or parts.hostname == "localhost" or ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def _check_url(url: str) -> None:
    """Accept `http` and `https` with a host. Raises BrokerSettingsError."""
    import httpx  # noqa: PLC0415  # as above

    try:
        parsed = httpx.URL(url)
        usable = parsed.scheme in {"http", "https"} and parsed.host and (parsed.port or 0) <= _MAX_PORT
        usable = usable and not parsed.query and not parsed.fragment
    except (httpx.InvalidURL, UnicodeError):  # the second for names that IDNA does not take
        usable = False
    if not usable:
        raise BrokerSettingsError(
            f"{shown_url(url)!r:.120} is not the URL of a broker",
            code="BROKER-URL",
            advice="write http://host:port or https://host:port",
        )


def _check_fields(headers: Mapping[str, str]) -> None:
    """Refuse values that HTTP does not carry, without showing them. Raises BrokerSettingsError."""
    for name, value in headers.items():
        if not _FIELD.fullmatch(value):
            raise BrokerSettingsError(
                f"the value for the header field {name} holds characters that a header cannot have",
                code="BROKER-CREDENTIAL",
                advice="see that the token is one line of ASCII",
            )


def _trust(extra_root_pem: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if extra_root_pem:
        try:
            context.load_verify_locations(cadata=extra_root_pem)
        except (ssl.SSLError, TypeError, ValueError):  # the latter two: not ASCII, or a NUL in it
            raise BrokerSettingsError(
                "the extra root certificate is not PEM", code="BROKER-ROOT", advice="give one or more PEM certificates"
            ) from None
    return context
