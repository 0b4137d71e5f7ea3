"""Attestation tokens as the plugin routes need them: verified, with what is asked of them worked out once.

A guest spends one token many times. What was found of a token is kept by its whole text, at most 256 of those up to
16 KiB, and for at most a minute: then signature and certificates are looked at again. Dates are looked at each time.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, ClassVar, Final

from attestation_protocol.errors import MessageError
from attestation_protocol.jwk import TeePublicKey, parse_tee_public_key
from attestation_protocol.records import Record
from trustee_core.token_trust.claims import date_problem
from trustee_core.token_trust.errors import TokenTrustError
from trustee_core.token_trust.tee_key import tee_public_key

from key_broker_service.errors import TokenRefusedError
from key_broker_service.sample_gate import is_sample

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from attestack_common.clock import Clock
    from trustee_core.token_trust.verifier import TokenVerifier

MAX_KEPT: Final = 256
MAX_KEPT_LENGTH: Final = 16 * 1024
KEPT_SECONDS: Final = 60

_ADVICE: Final = "attest again"


class TrustedToken(Record, frozen=True):
    """A verified token."""

    HIDDEN: ClassVar = frozenset({"claims", "claims_json"})

    claims: dict[str, Any]
    claims_json: bytes
    """The claims as the issuer wrote them."""
    key_source: str
    """What the token's key is trusted by."""
    rests_on_samples: bool
    """Whether any of its evidence is sample evidence."""
    verified_at: datetime
    extra_key_paths: tuple[str, ...] = ()

    @property
    def tee_key(self) -> TeePublicKey:
        """The key that secrets are encrypted to. Raises TokenRefusedError."""
        try:
            return parse_tee_public_key(tee_public_key(self.claims, self.extra_key_paths))
        except (TokenTrustError, MessageError) as error:
            raise TokenRefusedError(code=error.code, advice=error.advice, why=error.message) from error

    @property
    def init_data(self) -> Any:  # noqa: ANN401  # claims are JSON
        """The init-data claims of the primary evidence, or None."""
        value: Any = self.claims
        for name in ("submods", "cpu0", "ear.veraison.annotated-evidence", "init_data_claims"):
            value = value.get(name) if isinstance(value, dict) else None
        return value


class Tokens:
    """Verifies tokens, and remembers for a moment what came of it."""

    def __init__(self, verifier: TokenVerifier, clock: Clock, extra_key_paths: Sequence[str] = ()) -> None:
        self._verifier = verifier
        self._clock = clock
        self._extra_key_paths = tuple(extra_key_paths)
        self._kept: OrderedDict[str, TrustedToken] = OrderedDict()

    def verify(self, text: str) -> TrustedToken:
        """Verify a token now. Raises TokenRefusedError."""
        now = self._clock()
        kept = self._kept.get(text)
        if kept is not None:
            age = (now - kept.verified_at).total_seconds()
            if 0 <= age < KEPT_SECONDS and date_problem(kept.claims, now) is None:
                self._kept.move_to_end(text)
                return kept
            del self._kept[text]
        token = self._verified(text, now)
        if len(text) <= MAX_KEPT_LENGTH:
            self._kept[text] = token
            if len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return token

    def _verified(self, text: str, now: datetime) -> TrustedToken:
        try:
            verified = self._verifier.verify(text, now)
        except TokenTrustError as error:
            raise TokenRefusedError(code=error.code, advice=error.advice or _ADVICE, why=error.message) from error
        samples = is_sample(verified.claims)
        return TrustedToken(
            verified.claims, verified.claims_json, verified.key_source, samples, now, self._extra_key_paths
        )
