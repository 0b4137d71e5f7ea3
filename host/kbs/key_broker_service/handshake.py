"""The two halves of the RCAR handshake as plain functions: what is challenged with, and what is asked of the verifier.

    auth     request -> which hash the evidence is to carry, and the `extra-params` that say so
    attest   session, attestation -> one `EvidenceRequest` for each piece of evidence

The primary evidence is bound to nonce, TEE key and the exact text of the additional evidence, and alone carries
init-data. Each device is bound to nonce and TEE key. Only IBM's `se` negotiates the hash, and only SHA-512; all others
use SHA-384 whatever they offer, and are told nothing.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

from attestation_protocol.errors import InitDataError, MessageError
from attestation_protocol.hashes import HashAlgorithm
from attestation_protocol.init_data import InitData
from attestation_protocol.rcar import (
    DEFAULT_HASH,
    INIT_DATA_FORMAT,
    SELECTED_HASH,
    SUPPORTED_HASHES,
    Attestation,
    InitDataMessage,
)
from attestation_protocol.records import Record
from attestation_protocol.tee import Tee
from attestation_service.contract import EvidenceRequest, StructuredRuntimeData

if TYPE_CHECKING:
    from key_broker_service.sessions import Session


class HashChoice(Record, frozen=True):
    """The hash that evidence is to carry, and how the challenge says so (an empty string says nothing)."""

    algorithm: HashAlgorithm = DEFAULT_HASH
    extra_params: Any = ""


def choose_hash(tee: Tee, offered: Any) -> HashChoice:  # noqa: ANN401  # `extra-params` is any JSON value
    """Choose a hash from the `extra-params` of a request. Raises MessageError (HASH-ALGORITHM)."""
    names = offered.get(SUPPORTED_HASHES) if tee is Tee.SE and isinstance(offered, dict) else None
    if names is None:
        return HashChoice()
    wanted = HashAlgorithm.SHA512
    if not isinstance(names, list) or wanted not in {str(name).lower() for name in names}:
        raise MessageError(
            f"`{SUPPORTED_HASHES}` is no array with {wanted}", code="HASH-ALGORITHM", advice=f"{tee} needs {wanted}"
        )
    return HashChoice(wanted, {SELECTED_HASH: str(wanted)})


def evidence_requests(session: Session, attestation: Attestation) -> list[EvidenceRequest]:
    """Turn an attestation into what is asked of the attestation service, the primary evidence first.

    Raises ProtocolError: the nonce is not the session's (RCAR-NONCE), the init-data is of another format or malformed,
    the additional evidence is not an object by TEE names.
    """
    runtime_data = attestation.runtime_data
    if not hmac.compare_digest(runtime_data.nonce.encode(), session.nonce.encode()):
        raise MessageError(
            "the nonce is not the one of this session",
            code="RCAR-NONCE",
            advice="attest with the nonce and the cookie of one and the same challenge",
        )
    primary = EvidenceRequest(
        session.tee,
        attestation.primary_evidence,
        StructuredRuntimeData(runtime_data.primary_claims(attestation.additional_evidence)),
        session.hash_algorithm,
        _init_data(attestation.init_data),
    )
    devices = [
        EvidenceRequest(tee, evidence, StructuredRuntimeData(runtime_data.device_claims()), session.hash_algorithm)
        for tee, evidence in attestation.device_evidence().items()
    ]
    return [primary, *devices]


def _init_data(message: InitDataMessage | None) -> InitData | None:
    if message is None:
        return None
    if message.format != INIT_DATA_FORMAT:
        raise InitDataError(
            f"init-data of the format {message.format!r:.40} is not taken", advice=f"send it as {INIT_DATA_FORMAT}"
        )
    return InitData.parse(message.body)
