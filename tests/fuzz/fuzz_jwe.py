"""JWE documents: opened with the guest's key, or refused with JweError."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attestation_protocol.errors import JweError
from attestation_protocol.jwe import decrypt
from attestation_protocol.tee_key import TeeKeyPair

from tests.conformance.recordings import http_recording

if TYPE_CHECKING:
    from collections.abc import Iterable

RECORDING = http_recording("kbs/flow-p-256")
KEY = TeeKeyPair.from_pem(RECORDING.members["tee_key_pem"].encode())
SECRET = RECORDING.members["secret"].encode()


def target(data: bytes) -> None:
    try:
        plaintext = decrypt(data, KEY)
    except JweError:
        return
    assert plaintext == SECRET, "a JWE that nobody made was opened"


def seeds() -> Iterable[bytes]:
    return [step.response.body for step in RECORDING.steps if b'"encrypted_key"' in step.response.body]


TARGET = target
SEEDS = seeds
