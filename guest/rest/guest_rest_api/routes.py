"""The routes, as the stock server answers them.

    GET  /info                                      version, TEE, features
    any  /cdh/resource/<repository>/<type>/<tag>    a resource's bytes
    GET  /aa/token?token_type=                      a token
    GET  /aa/evidence?runtime_data=[&encoding=]     evidence; encoding `base64` is base64url without padding
    GET  /aa/additional-evidence?runtime_data=      evidence of the devices, or nothing
    POST /aa/aael                                   an event {"domain","operation","content"}

Every container of the machine can reach this server, and so can a page in a browser beside it: only loopback peers are
answered, and only if they name the server as loopback too (a name that was made to resolve here is refused). Paths are
matched as sent, not decoded: a name has one spelling.

A refusal is the stock server's text, then what to do in parentheses and a stable code in brackets.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

from attestack_common.http_server import Response
from attestack_common.logs import get_logger
from attestation_protocol.encoding import b64url_decode, compact_json, parse_json
from attestation_protocol.errors import EncodingError, wire_text, wire_text_of

from guest_rest_api.errors import BackendError, RequestError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from attestack_common.http_server import Request

    from guest_rest_api.backends import Agent, Hub

RESOURCE_PREFIX: Final = "/cdh/resource/"
MAX_PATH: Final = 4096
_JSON: Final = "application/json"
_BYTES: Final = "application/octet-stream"
_EXTENDED, _NOT_SUPPORTED = 0, 1

_log = get_logger("rest")


class Routes:
    """Answers requests from the backends that the chosen features need."""

    def __init__(self, *, agent: Agent | None, hub: Hub | None, feature: str, version: str) -> None:
        self._agent = agent
        self._hub = hub
        self._feature = feature
        self._version = version
        self._agent_routes: dict[tuple[str, str], Callable[[Agent, Request], Awaitable[Response]]] = {
            ("GET", "/aa/token"): self._token,
            ("GET", "/aa/evidence"): self._evidence,
            ("GET", "/aa/additional-evidence"): self._additional_evidence,
            ("POST", "/aa/aael"): self._extend,
        }

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        path = request.raw_target.partition(b"?")[0].decode("latin-1")
        try:
            _check_peer(request)
            return await self._dispatch(request, path)
        except RequestError as error:
            return Response(error.status, wire_text_of(error).encode())
        except BackendError as error:
            _log.error("backend failed", path=path[:200], code=error.code, error=error)
            return Response(500, wire_text("ttrpc request error", error.code, error.advice).encode())

    async def _dispatch(self, request: Request, path: str) -> Response:
        if path == "/info":
            return await self._info(request)
        feature = path.split("/", 2)[1] if path.startswith("/") else ""
        if feature == "aa":
            if self._agent is None:
                raise _feature_off("Attestation")
            route = self._agent_routes.get((request.method, path))
            if route is None:
                raise _no_route()
            return await route(self._agent, request)
        if feature == "cdh":
            if self._hub is None:
                raise _feature_off("Resource")
            return await self._resource(self._hub, path)
        raise _no_route()

    async def _resource(self, hub: Hub, path: str) -> Response:
        if not path.startswith(RESOURCE_PREFIX) or len(path) > MAX_PATH:
            raise _no_route()
        return Response(200, await hub.resource("/" + path.removeprefix(RESOURCE_PREFIX)), _BYTES)

    async def _token(self, agent: Agent, request: Request) -> Response:
        kind = request.query.get("token_type")
        if kind is None:
            raise _bad_query("say token_type=kbs")
        return Response(200, await agent.token(kind), _BYTES)

    async def _evidence(self, agent: Agent, request: Request) -> Response:
        return Response(200, await agent.evidence(_runtime_data(request.query)), _BYTES)

    async def _additional_evidence(self, agent: Agent, request: Request) -> Response:
        return Response(200, await agent.additional_evidence(_runtime_data(request.query)), _BYTES)

    async def _extend(self, agent: Agent, request: Request) -> Response:
        result = await agent.extend(*_event(request.body))
        if result == _EXTENDED:
            return Response(200, b'{"success":"true"}', _JSON)
        why = (
            "The platform does not support runtime measurement"
            if result == _NOT_SUPPORTED
            else "Attestation Agent does not enable eventlog recording"
        )
        return Response(200, f'{{"success":"false","message": "{why}"}}'.encode(), _JSON)

    async def _info(self, request: Request) -> Response:
        if request.method != "GET":
            raise RequestError(405, "Method Not Allowed", code="REST-METHOD", advice="GET /info")
        info: dict[str, object] = {"version": self._version}
        if self._agent is not None:
            tee, devices = await self._agent.tees()
            info["tee"] = tee
            if devices:
                info["additional_tees"] = devices
        return Response(200, compact_json({**info, "feature": self._feature}), _JSON)


def _no_route() -> RequestError:
    return RequestError(
        404,
        "URL NOT FOUND",
        code="REST-ROUTE",
        advice="GET /cdh/resource/REPOSITORY/TYPE/TAG, /aa/token or /aa/evidence",
    )


def _feature_off(name: str) -> RequestError:
    return RequestError(
        404, f"{name} Feature Not Enabled", code="REST-FEATURE", advice="start api-server-rest with --features all"
    )


def _bad_query(advice: str) -> RequestError:
    return RequestError(400, "BAD REQUEST", code="REST-QUERY", advice=advice)


def _runtime_data(query: dict[str, str]) -> bytes:
    value, encoding = query.get("runtime_data"), query.get("encoding")
    if value is None or encoding not in {None, "base64"}:
        raise _bad_query("say runtime_data=TEXT, or runtime_data=BASE64URL&encoding=base64")
    try:
        return value.encode() if encoding is None else b64url_decode(value)
    except EncodingError:
        raise _bad_query("encoding=base64 is base64url without padding") from None


def _event(body: bytes) -> tuple[str, str, str]:
    try:
        value = parse_json(body)
    except EncodingError:
        value = None
    members = value if isinstance(value, dict) else {}
    domain, operation, content = (members.get(name) for name in ("domain", "operation", "content"))
    if isinstance(domain, str) and isinstance(operation, str) and isinstance(content, str):
        return domain, operation, content
    raise RequestError(
        500,
        "Illegal AAEL eventry format",
        code="REST-AAEL",
        advice='send {"domain": "…", "operation": "…", "content": "…"}',
    )


def _check_peer(request: Request) -> None:
    """Refuse peers, and names of this server, that are not loopback. Raises RequestError."""
    if not _is_loopback(request.client_host):
        raise RequestError(403, "Forbidden", code="REST-PEER", advice="ask from this machine")
    host = request.header("host")
    if host is None:
        return  # HTTP/1.0; a browser always says it
    name = (host if host.endswith("]") else host.rpartition(":")[0] or host).lower()
    if name != "localhost" and not _is_loopback(name.removeprefix("[").removesuffix("]")):
        raise RequestError(403, "Forbidden", code="REST-HOST", advice="name this server 127.0.0.1 or localhost")


def _is_loopback(host: str) -> bool:
    """Whether it is an address of 127.0.0.0/8, or ::1. An IPv4 address inside an IPv6 one is neither, as upstream."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback and getattr(address, "ipv4_mapped", None) is None
