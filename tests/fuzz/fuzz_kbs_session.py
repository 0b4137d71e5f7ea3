"""What a request names its session by, and what the store holds of it: read, or refused with the documented errors."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from attestack_common.http_server import Request
from attestack_common.secret import Secret
from attestation_protocol.hashes import HashAlgorithm
from attestation_protocol.tee import Tee
from key_broker_service.credentials import bearer_token, session_cookie
from key_broker_service.sessions import Attested, Sealer, Session, SessionError
from trustee_core.storage.contract import StorageCorruptError

if TYPE_CHECKING:
    from collections.abc import Iterable

SEALER = Sealer(Secret(bytes(32)))
SESSION = Session("0123456789abcdef" * 2, Tee.SNP, "uIU6foGw9LcAwXmx", HashAlgorithm.SHA384, 1_795_346_217)
COOKIE = SEALER.seal(SESSION)
RECORD = Attested(SESSION.id, "a.b.c", "00" * 32, SESSION.expires)


def target(data: bytes) -> None:
    text = data.decode("latin-1")
    request = Request("GET", b"/", headers={"cookie": text, "authorization": text})
    bearer_token(request)
    with contextlib.suppress(SessionError):
        assert SEALER.open(session_cookie(request) or "") == SESSION  # nobody else can seal
    try:
        record = Attested.parse(data)
    except StorageCorruptError:
        return
    assert Attested.parse(record.to_json()) == record


def seeds() -> Iterable[bytes]:
    yield f"kbs-session-id={COOKIE}".encode()
    yield f"a=1; kbs-session-id={COOKIE}; b=2".encode()
    yield b"Bearer a.b.c"
    yield RECORD.to_json()


TARGET = target
SEEDS = seeds
