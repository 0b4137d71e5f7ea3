"""The RCAR handshake as a state machine without I/O.

    Handshake(tee, key)            begun       request() is what to send to /auth
      .challenged(answer)      ->  challenged  device_report_data, then primary_report_data(additional evidence)
      .attestation(evidence)                   what to send to /attest, with the session's cookie
      .attested(answer)        ->  the token

Rules: the nonce is an opaque string, never decoded. The hash is the one that the challenge selects, or SHA-384. The
device evidence is bound to nonce and key, the primary evidence to the exact text of the device evidence too. A
handshake is used once; the key may outlive it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from attestation_protocol.errors import ErrorInformation, MessageError, TokenFormatError
from attestation_protocol.rcar import (
    INIT_DATA_FORMAT,
    Attestation,
    Challenge,
    InitDataMessage,
    Request,
    Response,
    RuntimeData,
    report_data,
)
from attestation_protocol.token import UnverifiedToken

from key_broker_client.errors import BrokerAnswerError, HandshakeRefusedError
from key_broker_client.tokens import AttestationToken

if TYPE_CHECKING:
    from attestation_protocol.tee import Tee
    from attestation_protocol.tee_key import TeeKeyPair

    from key_broker_client.transport import Answer

SESSION_COOKIE: Final = "kbs-session-id"
_SESSION: Final = re.compile(rf"{SESSION_COOKIE}=[ -~]{{1,4096}}", re.ASCII)
_OK: Final = 200
_REFUSED: Final = range(400, 500)


class Handshake:
    """One handshake, from request to token."""

    def __init__(self, tee: Tee, key: TeeKeyPair, init_data: str | None = None) -> None:
        self._tee = tee
        self._key = key
        self._init_data = None if init_data is None else InitDataMessage(INIT_DATA_FORMAT, init_data)
        self._challenge: Challenge | None = None
        self.cookie: str | None = None
        """What to send as `Cookie`, once the broker has opened a session."""

    def request(self) -> bytes:
        """Return the body for /auth."""
        return Request.offering_all_hashes(self._tee).to_json()

    def challenged(self, answer: Answer) -> None:
        """Take the answer of /auth. Raises HandshakeRefusedError or BrokerAnswerError."""
        challenge = Challenge.parse(_body(answer, "the request for a challenge"))
        _ = challenge.hash_algorithm  # an unknown one is refused here, before evidence is collected
        self._challenge = challenge
        self.cookie = session_cookie(answer.cookies)

    @property
    def device_report_data(self) -> bytes:
        """What device evidence has to carry."""
        return report_data(self._runtime_data.device_claims(), self._begun.hash_algorithm)

    def primary_report_data(self, additional_evidence: str) -> bytes:
        """Return what the primary evidence has to carry."""
        return report_data(self._runtime_data.primary_claims(additional_evidence), self._begun.hash_algorithm)

    def attestation(self, evidence: Any, additional_evidence: str) -> bytes:  # noqa: ANN401  # the TEE's own form
        """Return the body for /attest."""
        return Attestation(self._runtime_data, evidence, additional_evidence, self._init_data).to_json()

    def attested(self, answer: Answer) -> AttestationToken:
        """Take the answer of /attest. Raises HandshakeRefusedError or BrokerAnswerError."""
        response = Response.parse(_body(answer, "the evidence"))
        try:
            return AttestationToken(UnverifiedToken.parse(response.token), self._key)
        except TokenFormatError as error:
            raise BrokerAnswerError(f"the broker's token is of no use: {error.message}", status=answer.status) from None

    @property
    def _begun(self) -> Challenge:
        if self._challenge is None:
            raise RuntimeError("the handshake has no challenge yet")
        return self._challenge

    @property
    def _runtime_data(self) -> RuntimeData:
        return RuntimeData(self._begun.nonce, self._key.public_key)


def session_cookie(set_cookies: tuple[str, ...]) -> str | None:
    """Find the session in the values of `Set-Cookie`, as it is to be sent back: verbatim. None: there is none."""
    pairs = (value.split(";", 1)[0].strip() for value in set_cookies)
    return next((pair for pair in pairs if _SESSION.fullmatch(pair)), None)


def _body(answer: Answer, what: str) -> bytes:
    if answer.status == _OK:
        return answer.body
    if answer.status not in _REFUSED:
        raise BrokerAnswerError(f"the broker answered {answer.status} to {what}", status=answer.status)
    try:
        information = ErrorInformation.parse(answer.body)
    except MessageError:
        raise BrokerAnswerError(
            f"the broker answered {answer.status} to {what}, with no error document",
            status=answer.status,
            advice="check that the URL is a Key Broker Service's and not a proxy's",
        ) from None
    raise HandshakeRefusedError(
        f"the broker refused {what}",
        information,
        status=answer.status,
        advice="its log says which check failed, what it wanted and what it got",
    )
