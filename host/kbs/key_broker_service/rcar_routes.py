"""`POST auth` and `POST attest`: a challenge for everyone, a token for who meets it.

A body is parsed before its session is looked at. Evidence is verified before its challenge is claimed: a refused
attestation leaves the session as it was, and of many that verify one gets a token (`key_broker_service.sessions`).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from attestack_common.http_server import Request, Response
from attestack_common.logs import get_logger
from attestation_protocol import rcar
from attestation_protocol.encoding import b64std_encode, compact_json
from attestation_protocol.errors import ProtocolError
from attestation_protocol.tee import Tee
from attestation_service.errors import AttestationServiceError
from trustee_core.storage.contract import StorageError

from key_broker_service.credentials import session_cookie, set_session_cookie
from key_broker_service.errors import AttestRefusedError, AuthRefusedError
from key_broker_service.handshake import choose_hash, evidence_requests
from key_broker_service.sessions import ChallengeTooLargeError, SessionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attestack_common.errors import AttestackError
    from attestation_service.contract import AttestationBackend

    from key_broker_service.metrics import Metrics
    from key_broker_service.sessions import Session, Sessions

JSON: Final = "application/json"
POLICY_IDS: Final = ("default",)
NONCE_SIZE: Final = 32
"""Bytes of a nonce."""

_LOG: Final = get_logger("kbs.rcar")


class RcarRoutes:
    """The two routes of the handshake."""

    def __init__(self, backend: AttestationBackend, sessions: Sessions, metrics: Metrics) -> None:
        self._backend = backend
        self._sessions = sessions
        self._metrics = metrics

    async def auth(self, request: Request, _segments: Sequence[str]) -> Response:
        """Answer with a challenge and its cookie. Raises AuthRefusedError."""
        self._metrics.auth_requests.inc()
        try:
            response = await self._challenge(request.body)
        except AuthRefusedError:
            self._metrics.auth_errors.inc()
            raise
        self._metrics.auth_successes.inc()
        return response

    async def _challenge(self, body: bytes) -> Response:
        try:
            message = rcar.Request.parse(body)
        except ProtocolError as error:
            raise _auth_refused("deserialize Request", error) from error
        try:
            rcar.check_version(message.version)
        except ProtocolError as error:
            raise _auth_refused(error.message, error) from error
        try:
            choice = choose_hash(message.tee, message.extra_params)
            nonce = await self._nonce(message)
            session, cookie = self._sessions.begin(message.tee, nonce, choice.algorithm)
        except (ProtocolError, AttestationServiceError, ChallengeTooLargeError) as error:
            raise _auth_refused("Attestation Service generate challenge failed", error) from error
        challenge = rcar.Challenge(nonce, choice.extra_params)
        return Response(200, challenge.to_json(), JSON, (set_session_cookie(cookie, session.expires),))

    async def _nonce(self, message: rcar.Request) -> str:
        if message.tee is not Tee.SE:
            return b64std_encode(os.urandom(NONCE_SIZE))
        return await self._backend.challenge(message.tee, compact_json(message.extra_params).decode())

    async def attest(self, request: Request, _segments: Sequence[str]) -> Response:
        """Answer with a token. Raises AttestRefusedError."""
        self._metrics.attestation_requests.inc()
        cookie = session_cookie(request)
        try:
            message = rcar.Attestation.parse(request.body)
            session = self._sessions.resume(cookie)
        except (ProtocolError, SessionError) as error:
            self._metrics.attestation_errors.inc()
            raise _attest_refused(error) from error
        token = await self._token(session, message, request.body)
        header = set_session_cookie(cookie or "", session.expires)
        return Response(200, rcar.Response(token).to_json(), JSON, (header,))

    async def _token(self, session: Session, message: rcar.Attestation, body: bytes) -> str:
        try:
            requests = evidence_requests(session, message)
        except ProtocolError as error:
            raise _attest_refused(error) from error
        try:
            token = await self._backend.evaluate(requests, POLICY_IDS)
        except AttestationServiceError as error:
            self._metrics.attestation_failures.count(str(session.tee))
            raise _attest_refused(error) from error
        self._metrics.attestation_successes.count(str(session.tee))
        try:
            token = await self._sessions.claim(session, body, token)
        except (SessionError, StorageError) as error:
            raise _attest_refused(error) from error
        _LOG.info("attested", session=session.id, tee=str(session.tee), evidence=len(requests))
        return token


def _auth_refused(text: str, error: AttestackError | ProtocolError) -> AuthRefusedError:
    return AuthRefusedError(text, code=error.code, advice=error.advice, why=error.message)


def _attest_refused(error: AttestackError | ProtocolError) -> AttestRefusedError:
    return AttestRefusedError(code=error.code, advice=error.advice, why=error.message)
