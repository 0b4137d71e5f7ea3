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
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

from attestack_common.http_server import Response
from attestack_common.logs import get_logger
from attestation_protocol.encoding import b64url_decode, compact_json, parse_json
from attestation_protocol.errors import EncodingError, wire_text

from guest_rest_api.errors import BackendError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from attestack_common.http_server import Request

    from guest_rest_api.backends import Agent, Hub

RESOURCE_PREFIX: Final = "/cdh/resource/"
MAX_PATH: Final = 4096
_JSON: Final = "application/json"
_BYTES: Final = "application/octet-stream"
_EXTENDED, _NOT_SUPPORTED = 0, 1
_LOCAL_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})

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
        if not _is_loopback(request.client_host) or not _names_loopback(request.header("host")):
            return Response(403, b"Forbidden")
        path = request.raw_target.partition(b"?")[0].decode("latin-1")
        try:
            return await self._dispatch(request, path)
        except BackendError as error:
            _log.error("backend failed", path=path[:200], code=error.code, error=error)
            return Response(500, wire_text("ttrpc request error", error.code, error.advice).encode())

    async def _dispatch(self, request: Request, path: str) -> Response:
        if path == "/info":
            return await self._info() if request.method == "GET" else Response(405, b"Method Not Allowed")
        feature = path.split("/", 2)[1] if path.startswith("/") else ""
        if feature == "aa":
            if self._agent is None:
                return Response(404, b"Attestation Feature Not Enabled")
            route = self._agent_routes.get((request.method, path))
            return _NOT_FOUND if route is None else await route(self._agent, request)
        if feature == "cdh":
            if self._hub is None:
                return Response(404, b"Resource Feature Not Enabled")
            return await self._resource(self._hub, path)
        return _NOT_FOUND

    async def _resource(self, hub: Hub, path: str) -> Response:
        if not path.startswith(RESOURCE_PREFIX) or len(path) > MAX_PATH:
            return _NOT_FOUND
        return Response(200, await hub.resource("/" + path.removeprefix(RESOURCE_PREFIX)), _BYTES)

    async def _token(self, agent: Agent, request: Request) -> Response:
        kind = request.query.get("token_type")
        return _BAD_REQUEST if kind is None else Response(200, await agent.token(kind), _BYTES)

    async def _evidence(self, agent: Agent, request: Request) -> Response:
        data = _runtime_data(request.query)
        return _BAD_REQUEST if data is None else Response(200, await agent.evidence(data), _BYTES)

    async def _additional_evidence(self, agent: Agent, request: Request) -> Response:
        data = _runtime_data(request.query)
        return _BAD_REQUEST if data is None else Response(200, await agent.additional_evidence(data), _BYTES)

    async def _extend(self, agent: Agent, request: Request) -> Response:
        event = _event(request.body)
        if event is None:
            text = 'send {"domain": "…", "operation": "…", "content": "…"}'
            return Response(500, wire_text("Illegal AAEL eventry format", "REST-AAEL", text).encode())
        result = await agent.extend(*event)
        if result == _EXTENDED:
            return Response(200, b'{"success":"true"}', _JSON)
        why = (
            "The platform does not support runtime measurement"
            if result == _NOT_SUPPORTED
            else "Attestation Agent does not enable eventlog recording"
        )
        return Response(200, f'{{"success":"false","message": "{why}"}}'.encode(), _JSON)

    async def _info(self) -> Response:
        info: dict[str, object] = {"version": self._version}
        if self._agent is not None:
            tee, devices = await self._agent.tees()
            info["tee"] = tee
            if devices:
                info["additional_tees"] = devices
        return Response(200, compact_json({**info, "feature": self._feature}), _JSON)


_NOT_FOUND: Final = Response(404, b"URL NOT FOUND")
_BAD_REQUEST: Final = Response(400, b"BAD REQUEST")


def _runtime_data(query: dict[str, str]) -> bytes | None:
    value, encoding = query.get("runtime_data"), query.get("encoding")
    if value is None or encoding not in {None, "base64"}:
        return None
    try:
        return value.encode() if encoding is None else b64url_decode(value)
    except EncodingError:
        return None


def _event(body: bytes) -> tuple[str, str, str] | None:
    try:
        value = parse_json(body)
    except EncodingError:
        return None
    if not isinstance(value, dict):
        return None
    domain, operation, content = (value.get(name) for name in ("domain", "operation", "content"))
    if isinstance(domain, str) and isinstance(operation, str) and isinstance(content, str):
        return domain, operation, content
    return None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _names_loopback(host: str | None) -> bool:
    if host is None:
        return True
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    return name.lower() in _LOCAL_NAMES
