"""The HTTP interface of `restful-as`: its routes, and how a refusal is answered.

    POST /attestation              a request of either generation      200, the token
    POST /policy                   {"policy_id", "policy"}             200, empty
    GET  /policy                                                       200, [{"policy-id"}, …]
    GET  /policy/<full id>                                             200, the policy's text; 404, there is none
    POST /challenge                {"tee", "tee_params"}               200, the challenge
    GET  /.well-known/jwks.json                                        200, the JWK set
    GET  /healthz                                                      200, empty

Statuses are those of the Rust service: 400 for a body that is not the route's JSON, 404 and 405 without a body, and 500
for every refusal, evidence that was refused among them. The code at the end of the text tells them apart, and the log
has what was wanted and got.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from attestack_common.http_server import Request, Response
from attestack_common.logs import get_logger
from attestation_protocol.encoding import compact_json
from attestation_protocol.errors import wire_text

from attestation_service.cors import CrossOrigin
from attestation_service.errors import AttestationServiceError, BodyError, NoPolicyError
from attestation_service.rest_requests import parse_attestation, parse_challenge, parse_policy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping
    from typing import TypeAlias

    from attestation_service.service import BuiltInAttestationService

    Route: TypeAlias = Callable[[bytes], Awaitable[Response]]

_LOG: Final = get_logger("as.rest")
_TEXT: Final = "text/plain; charset=utf-8"
_ONE_POLICY: Final = "/policy/"
_INTERNAL: Final = "An internal error occured: "
"""Spelt as it is on the wire."""


class RestApi:
    """The handler of the service's HTTP server."""

    def __init__(self, service: BuiltInAttestationService, cross_origin: CrossOrigin | None = None) -> None:
        self._service = service
        self._cross_origin = cross_origin or CrossOrigin()
        self._routes: Mapping[str, Mapping[str, Route]] = {
            "/attestation": {"POST": self._attestation},
            "/policy": {"POST": self._set_policy, "GET": self._policies},
            "/challenge": {"POST": self._challenge},
            "/.well-known/jwks.json": {"GET": self._jwks},
            "/healthz": {"GET": self._healthz},
        }

    async def __call__(self, request: Request) -> Response:
        """Answer a request."""
        origin = request.header("origin")
        asked = request.header("access-control-request-method")
        if request.method == "OPTIONS" and asked is not None:
            status, headers, text = self._cross_origin.preflight(
                origin, asked, request.header("access-control-request-headers")
            )
            return Response(status, text.encode(), _TEXT if text else None, tuple(headers))
        response = await self._answer(request)
        response.headers = (*response.headers, *self._cross_origin.headers(origin))
        return response

    async def _answer(self, request: Request) -> Response:
        routes = self._routes.get(request.path)
        if routes is None and request.method == "GET" and request.path.startswith(_ONE_POLICY):
            routes = {"GET": lambda _body: self._policy(request.path.removeprefix(_ONE_POLICY))}
        if routes is None:
            return Response(404)
        route = routes.get(request.method)
        if route is None:
            return Response(405, headers=(("allow", ", ".join(routes)),))
        try:
            if request.method == "POST":
                _require_json(request)
            return await route(request.body)
        except BodyError as error:
            _LOG.info("refused", path=request.path, code=error.code, why=error.message)
            text = wire_text(error.message, error.code, error.advice)
            return Response(400, text.encode(), _TEXT, close=error.unread)
        except AttestationServiceError as error:
            _LOG.info("refused", path=request.path, code=error.code, why=error.message)
            return Response(500, internal_text(error).encode())

    async def _attestation(self, body: bytes) -> Response:
        requests, policy_ids = parse_attestation(body)
        with _context("attestation report evaluate"):
            token = await self._service.evaluate(requests, policy_ids)
        return Response(200, token.encode())

    async def _set_policy(self, body: bytes) -> Response:
        policy_id, policy = parse_policy(body)
        with _context("set policy"):
            await self._service.set_policy(policy_id, policy)
        return Response()

    async def _policies(self, _body: bytes) -> Response:
        with _context("get policies"):
            names = await self._service.policies()
        return Response(200, compact_json([{"policy-id": name} for name in names]))

    async def _policy(self, policy_id: str) -> Response:
        try:
            with _context("get policy"):
                text = await self._service.policy(policy_id)
        except NoPolicyError:
            return Response(404)
        return Response(200, text.encode(), _TEXT)

    async def _challenge(self, body: bytes) -> Response:
        tee, parameters = parse_challenge(body)
        with _context("generate challenge"):
            challenge = await self._service.challenge(tee, parameters)
        return Response(200, challenge.encode())

    async def _jwks(self, _body: bytes) -> Response:
        return Response(200, compact_json(self._service.jwks()), "application/json")

    async def _healthz(self, _body: bytes) -> Response:
        return Response()


def internal_text(error: AttestationServiceError) -> str:
    """Write a refusal as the Rust service does, then advice and code."""
    numbered = "".join(f"\n{number}: {layer}" for number, layer in enumerate(error.layers))
    return wire_text(f"{_INTERNAL}{numbered}", error.code, error.advice)


@contextmanager
def _context(text: str) -> Iterator[None]:
    """Put the text of a route in front of what the service says."""
    try:
        yield
    except AttestationServiceError as error:
        error.layers = (text, *error.layers)
        raise


def _require_json(request: Request) -> None:
    """Refuse a body that is not declared as JSON. Raises BodyError."""
    kind = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise BodyError(
            "Content type error",
            code="AS-CONTENT-TYPE",
            advice="send the header content-type: application/json",
            unread=True,
        )
