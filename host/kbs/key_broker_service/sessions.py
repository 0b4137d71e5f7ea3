"""Sessions: a challenge sealed into the cookie, and one record for each session that attested.

Rules (the project's own; upstream keeps a record from `/auth` on):

1. `/auth` writes nothing. The challenge (session id, TEE, nonce, hash, expiry) is sealed into the cookie
   `kbs-session-id`, so a flood of `/auth` costs no storage and any replica that shares the store can go on.
2. The sealing key is 32 random bytes. The first process puts it into the store with put-if-absent, all others read it.
3. The store is first touched at `/attest`, and written once: put-if-absent under the session id, which stands for the
   nonce. The first request that verified wins. Its record keeps the token, and the SHA-256 of its body.
4. A repeat of the winning body, byte for byte, gets the stored token. Any other body is refused (SESSION-USED), also
   when it lost a race.
5. A session ends when its time is up, counted from `/auth`; nothing extends it. The record's time to live ends with it.
6. A cookie is opened once, and a record parsed once: what they hold is remembered by their whole bytes. Whether the
   record is there is asked of the store each time, and so is the clock.

Layout of the cookie, in base64url, 400 characters at the most:

    offset  size  field
    0       1     version, 1
    1       16    session id, random
    17      n     AES-256-GCM: a JSON array [expiry in seconds since the epoch, tee, hash, nonce]; the tag is last

The key of each cookie is HMAC-SHA256(sealing key, version || session id). It is used once, so the GCM nonce is zero;
version and id are bound through the key.

A record is JSON as upstream writes it, `{"Attested": {"token", "id", "timeout"}}`, with `request` beside the three.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, TypeVar

from attestack_common.errors import AttestackError
from attestack_common.secret import Secret
from attestation_protocol.encoding import b64url_decode, b64url_encode, compact_plain, parse_json
from attestation_protocol.errors import EncodingError, ProtocolError
from attestation_protocol.hashes import HashAlgorithm
from attestation_protocol.records import Record
from attestation_protocol.tee import Tee
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from trustee_core.storage.contract import StorageCorruptError

if TYPE_CHECKING:
    from attestack_common.clock import Clock
    from trustee_core.storage.contract import KeyValueStore

NAMESPACE: Final = "kbs_protocol_session"
SEALING_KEY: Final = "session-key"
"""The key in the store under which the sealing key lies."""
MAX_COOKIE: Final = 400
"""Characters of a cookie's value at the most."""
MAX_REMEMBERED: Final = 1024
"""Cookies whose challenges are remembered, so that each is opened once; and as many records, of up to 16 KiB."""

K = TypeVar("K")
V = TypeVar("V")

_MAX_KEPT_RECORD: Final = 16 * 1024
_VERSION: Final = b"\x01"
_ID_SIZE: Final = 16
_KEY_SIZE: Final = 32
_ONCE: Final = bytes(12)
_START_AGAIN: Final = "start again with POST /kbs/v0/auth, and send its cookie"


class SessionError(AttestackError):
    """A session that cannot be gone on with. `code` says why: SESSION-UNKNOWN, SESSION-EXPIRED or SESSION-USED."""

    default_code = "SESSION-UNKNOWN"


class ChallengeTooLargeError(AttestackError):
    """A challenge that does not fit into a cookie."""

    default_code = "SESSION-CHALLENGE-SIZE"


class Session(Record, frozen=True):
    """A challenge that was given out. It is authentic: it was opened with the sealing key."""

    HIDDEN: ClassVar = frozenset({"nonce"})

    id: str
    """32 lower-case hexadecimal digits."""
    tee: Tee
    nonce: str
    hash_algorithm: HashAlgorithm
    expires: int
    """Seconds since the epoch."""


class Attested(Record, frozen=True):
    """The record of a session that attested."""

    HIDDEN: ClassVar = frozenset({"token"})

    session_id: str
    token: str
    request: str
    """SHA-256 of the body that won, in lower-case hexadecimal digits."""
    expires: int

    def to_json(self) -> bytes:
        """Encode compactly."""
        timeout = _moment(self.expires)
        members = {"token": self.token, "id": self.session_id, "timeout": timeout, "request": self.request}
        return compact_plain({"Attested": members})

    @classmethod
    def parse(cls, record: bytes) -> Self:
        """Read a record. Raises StorageCorruptError."""
        try:
            members = parse_json(record)["Attested"]
            token, session_id, request = map(_text, (members["token"], members["id"], members["request"]))
            expires = _seconds(_text(members["timeout"]))
        except (EncodingError, KeyError, TypeError, ValueError, OverflowError):
            raise StorageCorruptError(
                f"a record of the namespace {NAMESPACE} is not one of an attested session",
                advice="delete the record; its guest attests again",
            ) from None
        return cls(session_id, token, request, expires)


class Sealer:
    """Seals challenges into cookies, and opens them. Pure but for the random session id."""

    def __init__(self, key: Secret) -> None:
        self._mac = hmac.new(key.reveal(), digestmod="sha256")

    def seal(self, session: Session) -> str:
        """Return the cookie's value. Raises ChallengeTooLargeError."""
        prefix = _VERSION + bytes.fromhex(session.id)
        plain = compact_plain([session.expires, session.tee, session.hash_algorithm, session.nonce])
        value = b64url_encode(prefix + self._cipher(prefix).encrypt(_ONCE, plain, None))
        if len(value) > MAX_COOKIE:
            raise ChallengeTooLargeError(f"a challenge of {len(plain)} bytes does not fit into a session cookie")
        return value

    def open(self, value: str) -> Session:
        """Open a cookie's value, whatever its expiry. Raises SessionError."""
        try:
            sealed = b64url_decode(value) if len(value) <= MAX_COOKIE else b""
            prefix, sealed = sealed[: 1 + _ID_SIZE], sealed[1 + _ID_SIZE :]
            if prefix[:1] != _VERSION or len(prefix) != 1 + _ID_SIZE:
                raise EncodingError("not a cookie of this version")
            expires, tee, algorithm, nonce = parse_json(self._cipher(prefix).decrypt(_ONCE, sealed, None))
            return Session(prefix[1:].hex(), Tee.parse(tee), nonce, HashAlgorithm.parse(algorithm), expires)
        except (ProtocolError, InvalidTag, ValueError):
            raise SessionError("the session cookie is not one of this broker", advice=_START_AGAIN) from None

    def _cipher(self, prefix: bytes) -> AESGCM:
        mac = self._mac.copy()  # the key is taken in once
        mac.update(prefix)
        return AESGCM(mac.digest())


class Sessions:
    """Gives out challenges, and keeps what came of them."""

    def __init__(self, store: KeyValueStore, sealer: Sealer, clock: Clock, lifetime: int) -> None:
        self._store = store
        self._sealer = sealer
        self._clock = clock
        self._lifetime = lifetime
        self._opened: dict[str, Session] = {}
        self._parsed: dict[bytes, Attested] = {}

    @classmethod
    async def open(cls, store: KeyValueStore, clock: Clock, lifetime: int) -> Self:
        """Open with the sealing key of the store; make it where there is none. `lifetime` is in seconds.

        Raises StorageError.
        """
        await store.put_if_absent(SEALING_KEY, os.urandom(_KEY_SIZE))
        key = await store.get(SEALING_KEY)
        if key is None or len(key) != _KEY_SIZE:
            raise StorageCorruptError(
                f"the key {SEALING_KEY} of the namespace {NAMESPACE} is not {_KEY_SIZE} bytes",
                advice="delete it while no broker runs: a new one is made, and open sessions end",
            )
        return cls(store, Sealer(Secret(key)), clock, lifetime)

    def begin(self, tee: Tee, nonce: str, algorithm: HashAlgorithm) -> tuple[Session, str]:
        """Make a session; return it and its cookie's value. Nothing is written. Raises ChallengeTooLargeError."""
        expires = int(self._clock().timestamp()) + self._lifetime
        session = Session(os.urandom(_ID_SIZE).hex(), tee, nonce, algorithm, expires)
        cookie = self._sealer.seal(session)
        _remember(self._opened, cookie, session)
        return session, cookie

    def resume(self, cookie: str | None) -> Session:
        """Open the session of a cookie. Raises SessionError when there is none, it is not ours, or its time is up."""
        if cookie is None:
            raise SessionError("no session cookie came with the request", advice=_START_AGAIN)
        session = self._opened.get(cookie)
        if session is None:
            session = self._sealer.open(cookie)
            _remember(self._opened, cookie, session)
        if self._left(session) <= 0:
            raise SessionError("the session has ended", code="SESSION-EXPIRED", advice=_START_AGAIN)
        return session

    async def attested(self, session: Session) -> Attested | None:
        """Return what the session attested with, or None. Raises StorageError."""
        record = await self._store.get(session.id)
        if record is None:
            return None
        attested = self._parsed.get(record)
        if attested is None:
            attested = Attested.parse(record)
            self._keep(record, attested)
        return attested

    async def claim(self, session: Session, body: bytes, token: str) -> str:
        """Make `token` the session's one token; return the token that this request is answered with.

        Called when the evidence in `body` has been verified. Raises SessionError (SESSION-USED) when the session
        attested with another body, SESSION-EXPIRED when its time ran out meanwhile, and StorageError.
        """
        left = self._left(session)
        if left <= 0:
            raise SessionError("the session has ended", code="SESSION-EXPIRED", advice=_START_AGAIN)
        attested = Attested(session.id, token, _digest(body), session.expires)
        record = attested.to_json()
        if await self._store.put_if_absent(session.id, record, ttl=left):
            self._keep(record, attested)
            return token
        winner = await self.attested(session)
        if winner is None:
            raise SessionError("the session has ended", code="SESSION-EXPIRED", advice=_START_AGAIN)
        return repeated(winner, body)

    def _keep(self, record: bytes, attested: Attested) -> None:
        if len(record) <= _MAX_KEPT_RECORD:
            _remember(self._parsed, record, attested)

    def _left(self, session: Session) -> float:
        return session.expires - self._clock().timestamp()


def repeated(attested: Attested, body: bytes) -> str:
    """Return the stored token to a repeat of the request that won it. Raises SessionError (SESSION-USED)."""
    if not hmac.compare_digest(attested.request, _digest(body)):
        raise SessionError(
            "the session has attested with another request",
            code="SESSION-USED",
            advice="a challenge is good for one attestation: " + _START_AGAIN,
        )
    return attested.token


def _remember(known: dict[K, V], key: K, value: V) -> None:
    """Keep what was worked out of `key`, in place of the oldest."""
    known[key] = value
    if len(known) > MAX_REMEMBERED:
        del known[next(iter(known))]


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


@functools.lru_cache(maxsize=64)
def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


@functools.lru_cache(maxsize=64)
def _seconds(moment: str) -> int:
    seconds = int(datetime.fromisoformat(moment).astimezone(UTC).timestamp())
    _moment(seconds)  # a moment that cannot be written again is none
    return seconds


def _text(value: Any) -> str:  # noqa: ANN401  # a member of a stored record
    if not isinstance(value, str):
        raise TypeError
    return value
