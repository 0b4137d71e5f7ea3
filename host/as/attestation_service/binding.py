"""What evidence is expected to be bound to, from what the caller sent. Pure.

    runtime data   absent       nothing is expected
                   raw          the report data must equal the bytes
                   structured   the report data must equal the digest of the canonical JSON (RFC 8785); the value itself
                                becomes `runtime_data_claims`
    init-data      absent       nothing is expected
                   digest       as it is
                   document     its digest; its `data` becomes `init_data_claims`

Verifiers fill what is expected with zeros, or cut it, to the size of their field. So an empty expectation would equal
an empty field, and one longer than every field would be compared in part only: both are refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from attestation_protocol.canonical_json import canonical_json
from attestation_protocol.errors import EncodingError
from attestation_protocol.hashes import HashAlgorithm
from attestation_protocol.init_data import InitData
from attestation_protocol.records import Record
from evidence_verifiers.contract import Expected

from attestation_service.contract import StructuredInitData, StructuredRuntimeData
from attestation_service.errors import RequestError

if TYPE_CHECKING:
    from attestation_service.contract import EvidenceRequest

MAX_RAW_RUNTIME_DATA: Final = 64
"""Bytes of the largest report data field of any hardware."""

_DIGEST_SIZES: Final = frozenset(algorithm.digest_size for algorithm in HashAlgorithm)


class Binding(Record, frozen=True):
    """What evidence must be bound to, and the claims that this makes true."""

    HIDDEN: ClassVar = frozenset({"runtime_data_claims", "init_data_claims"})

    expected: Expected
    runtime_data_claims: Any = None
    init_data_claims: Any = None


def binding_of(request: EvidenceRequest) -> Binding:
    """Derive what the evidence of a request must be bound to. Raises RequestError."""
    report_data, runtime_data_claims = _runtime_data(request)
    init_data, init_data_claims = _init_data(request.init_data)
    return Binding(Expected(report_data, init_data), runtime_data_claims, init_data_claims)


def _runtime_data(request: EvidenceRequest) -> tuple[bytes | None, Any]:
    given = request.runtime_data
    if given is None:
        return None, None
    if isinstance(given, StructuredRuntimeData):
        return request.runtime_data_hash.digest(_canonical(given.value, "parse runtime data")), given.value
    size = len(given.data)
    if size == 0 or (size > MAX_RAW_RUNTIME_DATA and not request.tee.is_sample):
        raise RequestError(
            f"raw runtime data of {size} bytes cannot be compared with report data",
            code="AS-RUNTIME-DATA",
            advice=f"send 1 to {MAX_RAW_RUNTIME_DATA} bytes, for example a digest, or send structured runtime data",
            layers=("parse runtime data", f"raw runtime data has {size} bytes"),
        )
    return given.data, None


def _init_data(given: InitData | StructuredInitData | bytes | None) -> tuple[bytes | None, Any]:
    if given is None:
        return None, None
    if isinstance(given, InitData):
        return given.digest, given.claims()
    if isinstance(given, StructuredInitData):
        return given.algorithm.digest(_canonical(given.value, "parse init data")), given.value
    if len(given) not in _DIGEST_SIZES:
        sizes = ", ".join(str(size) for size in sorted(_DIGEST_SIZES))
        raise RequestError(
            f"an init-data digest has one of {sizes} bytes, not {len(given)}",
            code="AS-INIT-DATA-DIGEST",
            advice="send the whole digest, or the document itself",
            layers=("parse init data", f"the digest has {len(given)} bytes"),
        )
    return given, None


def _canonical(value: object, place: str) -> bytes:
    try:
        return canonical_json(value)
    except EncodingError as error:
        raise RequestError(
            error.message, code=error.code, layers=(place, "parse JSON structured data", error.message)
        ) from None
