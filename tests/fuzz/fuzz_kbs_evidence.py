"""An attestation becomes what is asked of the verifiers, or is refused with ProtocolError."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from attestation_protocol.errors import ProtocolError
from attestation_protocol.hashes import HashAlgorithm
from attestation_protocol.rcar import Attestation, report_data
from attestation_protocol.tee import Tee
from attestation_service.contract import StructuredRuntimeData
from key_broker_service.handshake import choose_hash, evidence_requests
from key_broker_service.sessions import Session

from tests.conformance.recordings import http_recordings

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_LEN = 16_384


def target(data: bytes) -> None:
    try:
        attestation = Attestation.parse(data)
        session = Session("00" * 16, Tee.SAMPLE, attestation.runtime_data.nonce, HashAlgorithm.SHA384, 0)
        requests = evidence_requests(session, attestation)
        choose_hash(Tee.SE, attestation.primary_evidence)
    except ProtocolError:
        return
    assert requests[0].tee is Tee.SAMPLE
    assert len({request.tee for request in requests[1:]}) == len(requests) - 1
    for request in requests:
        assert isinstance(request.runtime_data, StructuredRuntimeData)
        assert len(report_data(request.runtime_data.value)) == 48
    assert all(request.init_data is None for request in requests[1:])


def seeds() -> Iterable[bytes]:
    for recording in http_recordings("kbs"):
        for step in recording.steps:
            if step.request.target == "/kbs/v0/attest" and 0 < len(step.request.body) <= MAX_LEN:
                yield step.request.body
    key = {"kty": "AKP", "alg": "ML-KEM-768+A192KW", "pub": "eA"}
    evidence = {"primary_evidence": {}, "additional_evidence": '{"nvidia": []}'}
    yield json.dumps({"runtime-data": {"nonce": "n", "tee-pubkey": key}, "tee-evidence": evidence}).encode()


TARGET = target
SEEDS = seeds
