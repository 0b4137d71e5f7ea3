"""What a plugin's route goes through before and after the plugin: the pipeline that everything secret passes.

    1. the plugin exists                                       PluginNotFound
    2. the plugin says whether this needs an administrator     PluginInternalError
    3. administrator: the admin check                          AdminAuthInitialization
       guest: a token, from the session or else the header     TokenNotFound
              the token is verified                            TokenVerifierError
              it does not rest on sample evidence              PolicyDeny
              the resource policy allows                       PolicyDeny, PolicyEngineError
    4. the plugin does its work                                PluginInternalError
    5. guest: the answer is encrypted to the token's TEE key   TokenVerifierError, JweError

Whoever is stopped before step 4 learns nothing of what exists. Each request that gets beyond step 1 leaves one decision
record, granted or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec
from attestack_common.http_server import Request, Response
from attestation_protocol import jwe
from attestation_protocol.errors import JweError
from trustee_core.storage.contract import StorageError
from trustee_core.token_trust import AdminDeniedError

from key_broker_service.credentials import bearer_token, session_cookie
from key_broker_service.decisions import ADMINISTRATOR, GUEST, DecisionRecord, log_decision, statuses
from key_broker_service.errors import (
    JweRefusedError,
    KbsError,
    PluginAdminError,
    PluginFailedError,
    PluginNotFoundError,
    PolicyDenyError,
    TokenNotFoundError,
)
from key_broker_service.plugins.contract import PluginError, PluginRequest
from key_broker_service.sample_gate import ENVIRONMENT, SWITCH
from key_broker_service.sessions import SessionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from attestack_common.clock import Clock
    from attestack_common.errors import AttestackError

    from key_broker_service.admin import Admin
    from key_broker_service.metrics import Metrics
    from key_broker_service.plugins.contract import Plugin
    from key_broker_service.resource_policy import ResourcePolicy
    from key_broker_service.sessions import Sessions
    from key_broker_service.tokens import Tokens, TrustedToken

PLAIN: Final = "text/xml"
"""What stock brokers call every answer of a plugin that is not encrypted."""
JSON: Final = "application/json"

_NO_TOKEN: Final = "attest with POST /kbs/v0/auth and attest, or send a token as `Authorization: Bearer`"  # noqa: S105  # advice
_MAX_NAME: Final = 200


@dataclass(frozen=True, slots=True)
class Gates:
    """What decides over a request."""

    admin: Admin
    sessions: Sessions
    tokens: Tokens
    policy: ResourcePolicy
    insecure_sample_evidence: bool = False
    insecure_rsa1_5: bool = False


class PluginRoutes:
    """Passes requests through the gates to the plugins, and answers through the JWE."""

    def __init__(
        self,
        plugins: Mapping[str, Plugin],
        gates: Gates,
        metrics: Metrics,
        clock: Clock,
        record: Callable[[DecisionRecord], None] = log_decision,
    ) -> None:
        self._plugins = plugins
        self._gates = gates
        self._metrics = metrics
        self._clock = clock
        self._record = record

    async def call(self, request: Request, route: str, segments: Sequence[str]) -> Response:
        """Answer a request to a plugin. Raises KbsError."""
        plugin = self._plugins.get(route)
        if plugin is None:
            raise PluginNotFoundError(route[:_MAX_NAME])
        call = PluginRequest(request.method, tuple(segments), request.query, request.body)
        run = _Call(request, route, call, plugin, self._clock())
        try:
            response = await self._answer(run)
        except KbsError as error:
            self._record(run.record().refused(error))
            raise
        self._record(run.record())
        return response

    async def _answer(self, run: _Call) -> Response:
        try:
            for_administrators = run.plugin.needs_admin(run.call)
        except PluginError as error:
            raise _plugin_failed(error) from error
        if not for_administrators:
            return await self._answer_guest(run)
        run.caller = ADMINISTRATOR
        try:
            identity = self._gates.admin.require(run.request)
        except AdminDeniedError as error:
            raise PluginAdminError(error.message, code=error.code, advice=error.advice) from error
        run.grounds["identity"] = identity.subject or identity.role
        return Response(200, await _handled(run), PLAIN)

    async def _answer_guest(self, run: _Call) -> Response:
        token = self._gates.tokens.verify(await self._token(run))
        run.grounds |= {"key_source": token.key_source, "submodules": statuses(token.claims)}
        self._pass_sample_gate(run, token)
        run.grounds["policy_hash"] = await self._gates.policy.require_allowed(
            token.claims_json, run.route, run.call.path, run.call.query
        )
        init_data = token.init_data
        if init_data is not None:
            run.call = msgspec.structs.replace(run.call, init_data=init_data)
        body = await _handled(run)
        if not run.plugin.needs_encryption(run.call):
            return Response(200, body, PLAIN)
        key = token.tee_key
        try:
            return Response(200, jwe.encrypt(body, key, insecure_rsa1_5=self._gates.insecure_rsa1_5), JSON)
        except JweError as error:
            raise JweRefusedError(code=error.code, advice=error.advice, why=error.message) from error

    async def _token(self, run: _Call) -> str:
        """Return the token of the session, or else the bearer's. Raises TokenNotFoundError."""
        missing: KbsError | None = None
        cookie = session_cookie(run.request)
        if cookie is not None:
            try:
                session = self._gates.sessions.resume(cookie)
                attested = await self._gates.sessions.attested(session)
            except SessionError as error:
                self._metrics.attestation_errors.inc()
                missing = TokenNotFoundError(code=error.code, advice=error.advice)
            except StorageError as error:
                missing = TokenNotFoundError(code=error.code, advice=error.advice, why=error.message)
            else:
                if attested is not None:
                    run.grounds["session"] = session.id
                    return attested.token
        bearer = bearer_token(run.request)
        if bearer is None:
            raise missing or TokenNotFoundError(advice=_NO_TOKEN)
        return bearer

    def _pass_sample_gate(self, run: _Call, token: TrustedToken) -> None:
        if not token.rests_on_samples:
            return
        if not self._gates.insecure_sample_evidence:
            raise PolicyDenyError(
                code="SAMPLE-EVIDENCE",
                advice=f"sample evidence proves nothing; to try things out set {SWITCH} = true or {ENVIRONMENT}=1",
            )
        run.grounds["switches"] = (SWITCH,)


class _Call(msgspec.Struct):
    """One request on its way, with what its record will say."""

    request: Request
    route: str
    call: PluginRequest
    plugin: Plugin
    asked_at: datetime
    caller: str = GUEST
    grounds: dict[str, Any] = {}
    """Members of the record beyond who asked for what."""

    def record(self) -> DecisionRecord:
        """Return the record, of a request that is granted."""
        call = self.call
        return DecisionRecord(self.asked_at, self.caller, call.method, self.route, call.path, **self.grounds)


async def _handled(run: _Call) -> bytes:
    try:
        return await run.plugin.handle(run.call)
    except (PluginError, StorageError) as error:
        raise _plugin_failed(error) from error


def _plugin_failed(error: AttestackError) -> PluginFailedError:
    return PluginFailedError(code=error.code, advice=error.advice, why=error.message)
