"""The HTTP interface: which handler a request goes to, and how a refusal is answered.

    /metrics               GET                      anything else 405
    /healthz               GET                      anything else 404
    /kbs/v0/{tail}         GET, POST, PUT, DELETE   anything else 405 with `allow`
    everything else                                 404, empty

The tail is percent-decoded wholly, `%2F` too, and then split at `/`. The method and the first segment choose a built-in
handler; whatever they do not know is a plugin's.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeAlias

from attestack_common.http_server import Request, Response
from attestack_common.logs import get_logger

from key_broker_service.config import is_loopback
from key_broker_service.errors import KbsError
from key_broker_service.metrics import CONTENT_TYPE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from key_broker_service.metrics import Metrics
    from key_broker_service.operator_routes import OperatorRoutes
    from key_broker_service.plugin_routes import PluginRoutes
    from key_broker_service.rcar_routes import RcarRoutes

    BuiltIn: TypeAlias = Callable[[Request, Sequence[str]], Awaitable[Response]]

PREFIX: Final = "/kbs/v0/"
METHODS: Final = ("GET", "POST", "PUT", "DELETE")

_LOG: Final = get_logger("kbs.api")
_COUNTED: Final = "/kbs"


class Api:
    """The handler of the broker's HTTP server."""

    def __init__(
        self,
        rcar: RcarRoutes,
        operator: OperatorRoutes,
        plugins: PluginRoutes,
        metrics: Metrics,
        *,
        resource_names_for_all: bool = False,
    ) -> None:
        self._plugins = plugins
        self._metrics = metrics
        self._resource_names_for_all = resource_names_for_all
        self._built_in: Mapping[tuple[str, str], BuiltIn] = {
            ("POST", "auth"): rcar.auth,
            ("POST", "attest"): rcar.attest,
            ("POST", "attestation-policy"): operator.set_attestation_policy,
            ("POST", "reference-value"): operator.register_reference_value,
            ("GET", "reference-value"): operator.query_reference_value,
            ("POST", "resource-policy"): operator.set_resource_policy,
            ("GET", "resource-policy"): operator.list_resource_policies,
        }

    async def __call__(self, request: Request) -> Response:
        """Answer a request."""
        if not request.path.startswith(_COUNTED):
            return self._beside(request)
        metrics = self._metrics
        started = time.perf_counter()
        metrics.http_requests.inc()
        metrics.http_active.inc()
        try:
            response = await self._answer(request)
        finally:
            metrics.http_active.dec()
        metrics.http_request_size.observe(len(request.body))
        metrics.http_response_size.observe(len(response.body))
        metrics.http_duration.observe(time.perf_counter() - started)
        return response

    async def _answer(self, request: Request) -> Response:
        if not request.path.startswith(PREFIX):
            return Response(404)
        if request.method not in METHODS:
            return Response(405, headers=(("allow", ", ".join(METHODS)),))
        first, *rest = request.path[len(PREFIX) :].split("/")
        handler = self._built_in.get((request.method, first))
        try:
            if handler is None:
                return await self._plugins.call(request, first, rest)
            return await handler(request, rest)
        except KbsError as error:
            if handler is not None:  # what plugin routes refuse is in their decision records
                reason = error.why or error.message
                _LOG.info("refused", method=request.method, path=request.path, code=error.code, reason=reason)
            return Response(error.status, error.document())

    def _beside(self, request: Request) -> Response:
        if request.path == "/metrics":
            if request.method != "GET":
                return Response(405, close=True)
            resource_names = self._resource_names_for_all or is_loopback(request.client_host)
            return Response(200, self._metrics.render(resource_names=resource_names), CONTENT_TYPE)
        if request.path == "/healthz":
            return Response() if request.method == "GET" else Response(404, close=True)
        return Response(404)
