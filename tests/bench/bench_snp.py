"""SNP: evidence from JSON text to verdict, with nothing cached, against its bare signature checks.

The reference is one ECDSA P-384 and three RSA-4096 PSS verifications with keys that are already there: no verifier can
do with less. Each of ours reads the text, puts the report together, reads the certificate, and makes every check.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from attestation_protocol.encoding import parse_json
from attestation_protocol.evidence.snp import Product
from attestation_protocol.evidence.snp_evidence import CertificateType, SnpEvidence
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from evidence_verifiers.contract import Expected
from evidence_verifiers.snp import SnpFloors, verify
from evidence_verifiers.snp_certificates import PINNED, Certificate, EndorsementKey

from tests.bench.measure import Ratio, alternate, duration, table
from tests.conformance.vectors import HERE

LIMIT: Final = 2.0
_TEXT: Final = (HERE / "snp" / "seed" / "evidence.json").read_bytes()
_NOW: Final = datetime(2026, 11, 25, tzinfo=UTC)
_SHA384: Final = SHA384()
_PSS: Final = PSS(MGF1(_SHA384), 48)


def _whole() -> None:
    evidence = SnpEvidence.parse(parse_json(_TEXT))
    verdict = verify(evidence, {}, Expected(evidence.report.report_data), SnpFloors(), _NOW)
    assert verdict.claims is not None


class _Bare:
    """The signature checks of the same evidence, and nothing else."""

    def __init__(self) -> None:
        evidence = SnpEvidence.parse(parse_json(_TEXT))
        assert evidence.certificates is not None
        anchors = PINNED[Product.MILAN]
        self.key = EndorsementKey.parse(evidence.certificates[CertificateType.VCEK])
        self.root, self.intermediate = anchors.ark, anchors.ask
        self.signature = encode_dss_signature(*evidence.report.signature)
        self.signed = evidence.report.signed

    def __call__(self) -> None:
        self.key.key.verify(self.signature, self.signed, ECDSA(_SHA384))
        for issuer, subject in (
            (self.root, self.root.certificate),
            (self.root, self.intermediate.certificate),
            (self.intermediate, self.key.certificate),
        ):
            issuer.key.verify(subject.signature, subject.signed, _PSS, _SHA384)


def _json_alone() -> None:
    parse_json(_TEXT)


def _report_and_json() -> None:
    SnpEvidence.parse(parse_json(_TEXT))


def _certificate_alone(der: bytes) -> None:
    EndorsementKey.parse(der)


def main(seconds: float) -> list[Ratio]:
    bare = _Bare()
    certificate: Certificate = bare.key.certificate
    whole, reference, text, report, vcek = alternate(
        _whole, bare, _json_alone, _report_and_json, lambda: _certificate_alone(certificate.der), seconds=seconds
    )
    table(
        "SNP evidence, 8 KiB of JSON with its VCEK, from text to verdict",
        [
            ("ours, uncached", whole.text),
            ("bare: one P-384, three PSS", reference.text),
            ("of ours: the JSON text", duration(text.median)),
            ("of ours: the report", duration(report.median - text.median)),
            ("of ours: the VCEK", duration(vcek.median)),
        ],
    )
    return [Ratio.at_most("SNP verify() against its bare signature checks", whole.median / reference.median, LIMIT)]
