"""Certificates in SNP evidence: read or refused with the one error; a verdict for any of them, never an exception."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from attestation_protocol.errors import EvidenceFormatError
from attestation_protocol.evidence.snp import Product
from attestation_protocol.evidence.snp_evidence import CertificateType, SnpEvidence
from evidence_verifiers.contract import Expected
from evidence_verifiers.snp import SnpFloors, verify
from evidence_verifiers.snp_certificates import PINNED, Authority, EndorsementKey

from tests.conformance.vectors import HERE

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_LEN = 4096
NOW = datetime(2026, 11, 25, tzinfo=UTC)
SEED = SnpEvidence.parse(json.loads((HERE / "snp" / "seed" / "evidence.json").read_bytes()))
assert SEED.certificates is not None
VCEK = SEED.certificates[CertificateType.VCEK]


def target(data: bytes) -> None:
    for parse in (EndorsementKey.parse, Authority.parse):
        try:
            parse(data)
        except EvidenceFormatError as error:
            assert error.code == "SNP-CERTIFICATE"  # noqa: PT017  # either outcome is right
    as_key = SnpEvidence(SEED.report, {CertificateType.VCEK: data})
    as_authority = SnpEvidence(SEED.report, {CertificateType.VCEK: VCEK, CertificateType.ASK: data})
    for evidence in (as_key, as_authority):
        verdict = verify(evidence, {}, Expected(), SnpFloors(), NOW)
        changed = data not in {VCEK, PINNED[Product.MILAN].ask.certificate.der}
        assert not changed or verdict.claims is None


def seeds() -> Iterable[bytes]:
    yield VCEK
    for anchors in PINNED.values():
        yield anchors.ask.certificate.der
        yield anchors.asvk.certificate.der


TARGET = target
SEEDS = seeds
