"""Real SNP evidence: every published vector gets the verdict that its signatures, dates and fields deserve."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from attestation_protocol.encoding import parse_json
from attestation_protocol.errors import EvidenceFormatError
from attestation_protocol.evidence.snp import Product, Report
from attestation_protocol.evidence.snp_evidence import CertificateType, SnpEvidence, report_bytes
from evidence_verifiers.contract import Expected, Verdict
from evidence_verifiers.snp import SnpFloors, verify
from evidence_verifiers.snp_certificates import PINNED, EndorsementKey

from tests.conformance.recordings import http_recording
from tests.conformance.vectors import HERE, vector

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 25, tzinfo=UTC)
VLEK_VALID = datetime(2025, 6, 1, tzinfo=UTC)
SEED = HERE / "snp" / "seed" / "evidence.json"
GENOA_REPORT_DATA = bytes.fromhex(
    "7e7320889600c7ac133aea7b896c51f41026002982292a7369559796999c1bf9"
    "29eef3ff23c46e858f0b1982f9a92b17c51b578d958cde6b0c92978f150cf9b0"
)


def evidence_in(path: Path) -> SnpEvidence:
    return SnpEvidence.parse(parse_json(path.read_bytes()))


def evidence_of(report: str, kind: CertificateType, certificate: str) -> SnpEvidence:
    upstream = "snp/upstream/"
    parsed = Report.parse(vector(upstream + report).read_bytes())
    return SnpEvidence(parsed, {kind: vector(upstream + certificate).read_bytes()})


def judge(evidence: SnpEvidence, *, now: datetime = NOW, floors: SnpFloors | None = None, **bound: bytes) -> Verdict:
    return verify(evidence, {}, Expected(**bound), floors or SnpFloors(), now)


def refusals(verdict: Verdict) -> list[str]:
    assert (verdict.claims is None) == bool(verdict.failed)
    return [finding.check.code for finding in verdict.failed]


def test_the_milan_evidence_of_the_quick_start_is_accepted() -> None:
    verdict = judge(evidence_in(SEED))
    assert refusals(verdict) == []
    assert verdict.claims == {
        "policy_abi_major": 0,
        "policy_abi_minor": 31,
        "policy_smt_allowed": True,
        "policy_migrate_ma": False,
        "policy_debug_allowed": False,
        "policy_single_socket": False,
        "reported_tcb_bootloader": 3,
        "reported_tcb_tee": 0,
        "reported_tcb_snp": 8,
        "reported_tcb_microcode": 115,
        "platform_tsme_enabled": False,
        "platform_smt_enabled": True,
        "measurement": "a1f3930413247bb38cfc171579ea3c12d5fe4901f0c792f63fd75d98f1ef827c"
        "23500644e0e692e6be917f9050d3d38c",
        "report_data": "ec6c52d7533cc2c4f45be7849cf112ab82b2009fe7bd43e71ed08c14400ad7e2" + "00" * 32,
        "init_data": "00" * 32,
        "chip_id": "c38427a30d4c7af9d96f7a15b97269825a64cb76a2352ffd5d18115d89ad473f"
        "8e8c0bcd9a5d9286612bad4aadfb4426205a3b9e4fea82301135a170e477524e",
    }


def test_the_report_of_the_quick_start_is_put_together_byte_for_byte() -> None:
    report = report_bytes(json.loads(SEED.read_bytes())["attestation_report"])
    assert hashlib.sha256(report).hexdigest() == "7c614616feb65823351fa42620ea260fb84fd22b2337a480ca0d5f04f363ca38"


def test_the_binary_report_and_its_vcek_are_accepted_too() -> None:
    verdict = judge(evidence_of("test-report.bin", CertificateType.VCEK, "test-vcek.der"))
    assert refusals(verdict) == []
    assert verdict.claims == judge(evidence_in(SEED)).claims


def test_the_genoa_evidence_is_accepted_with_the_recorded_claims() -> None:
    verdict = judge(evidence_in(vector("snp/upstream/e2e-evidence-genoa-v3.json")), report_data=GENOA_REPORT_DATA)
    assert refusals(verdict) == []
    token = http_recording("as/as-rest-snp").steps[0].response.body.split(b".")[1]
    submodule = json.loads(base64.urlsafe_b64decode(token + b"=="))["submods"]["cpu0"]
    recorded = submodule["ear.veraison.annotated-evidence"]
    bindings = {name: recorded[name] for name in ("report_data", "init_data")}
    assert verdict.claims == recorded["snp"] | bindings


def test_the_genoa_report_is_put_together_byte_for_byte() -> None:
    document = json.loads(vector("snp/upstream/e2e-evidence-genoa-v3.json").read_bytes())
    expected = vector("snp/upstream/e2e-report-genoa-v3.bin").read_bytes()
    assert report_bytes(document["attestation_report"]) == expected


def test_a04_the_genoa_evidence_is_bound_to_its_report_data_only() -> None:
    evidence = evidence_in(vector("snp/upstream/e2e-evidence-genoa-v3.json"))
    other = GENOA_REPORT_DATA[:-1] + b"\1"
    assert refusals(judge(evidence, report_data=other)) == ["SNP-REPORT-DATA"]
    assert refusals(judge(evidence, init_data=b"\x11" * 32)) == ["SNP-HOST-DATA"]


VLEK = ("test-vlek-report.bin", CertificateType.VLEK, "test-vlek.der")


@pytest.mark.parametrize(
    ("now", "floors", "codes"),
    [
        (NOW, SnpFloors(), ["SNP-DATES", "SNP-VMPL"]),
        (NOW, SnpFloors(max_vmpl=1), ["SNP-DATES"]),
        (VLEK_VALID, SnpFloors(), ["SNP-VMPL"]),
        (VLEK_VALID, SnpFloors(max_vmpl=1), []),
    ],
)
def test_the_vlek_report_is_refused_for_its_level_and_its_expiry(
    now: datetime, floors: SnpFloors, codes: list[str]
) -> None:
    assert refusals(judge(evidence_of(*VLEK), now=now, floors=floors)) == codes


def test_the_vlek_names_its_cloud_provider() -> None:
    key = EndorsementKey.parse(vector("snp/upstream/test-vlek.der").read_bytes())
    assert key.cloud_provider == "CN=cc-us-east-2.amazonaws.com"
    assert key.hardware_id is None


@pytest.mark.parametrize("certificate", ["test-vcek-invalid-legacy.der", "test-vcek-invalid-new.der"])
def test_a13_vceks_that_amd_did_not_sign_are_refused(certificate: str) -> None:
    verdict = judge(evidence_of("test-report.bin", CertificateType.VCEK, certificate))
    assert refusals(verdict) == ["SNP-VEK-SIGNATURE", "SNP-SIGNATURE"]


def test_both_forms_of_a_hardware_id_are_read() -> None:
    for certificate in ("test-vcek-invalid-legacy.der", "test-vcek-invalid-new.der"):
        key = EndorsementKey.parse(vector(f"snp/upstream/{certificate}").read_bytes())
        assert key.hardware_id == bytes(range(64))


@pytest.mark.parametrize("name", ["seed/report.bin + seed/vcek.der", "upstream/e2e-evidence-genoa-v3.json"])
def test_fields_are_those_that_independent_code_found(name: str) -> None:
    wanted: dict[str, Any] = json.loads(vector("snp/expected.json").read_bytes())[name]["report"]
    report = evidence_in(SEED if "seed" in name else vector(f"snp/{name}")).report
    for field in ("report_data", "measurement", "host_data", "id_key_digest", "author_key_digest", "chip_id"):
        assert getattr(report, field).hex() == wanted[field]
    for field in ("current_tcb", "reported_tcb", "committed_tcb", "launch_tcb"):
        assert getattr(report, field).encode().hex() == wanted[field]
    assert (report.version, report.guest_svn, report.vmpl) == tuple(wanted[k] for k in ("version", "guest_svn", "vmpl"))
    for field, firmware in (("cur_ver", report.current_firmware), ("com_ver", report.committed_firmware)):
        assert bytes((firmware.build, firmware.minor, firmware.major, 0)).hex() == wanted[field]


@pytest.mark.parametrize("name", ["quick start", "genoa"])
@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_a21_no_flipped_byte_of_real_evidence_is_accepted(name: str, mask: int) -> None:
    evidence = evidence_in(SEED if name == "quick start" else vector("snp/upstream/e2e-evidence-genoa-v3.json"))
    genuine = evidence.report.signed + _signature_field(evidence.report)
    assert Report.parse(genuine) == evidence.report
    for offset in range(0x2A0):
        flipped = bytearray(genuine)
        flipped[offset] ^= mask
        try:
            report = Report.parse(bytes(flipped))
        except EvidenceFormatError as error:
            assert error.code.startswith("SNP-")  # noqa: PT017  # refused before its signature is checked: as good
            continue
        assert judge(SnpEvidence(report, evidence.certificates)).claims is None


def _signature_field(report: Report) -> bytes:
    r, s = (number.to_bytes(72, "little") for number in report.signature)
    return (r + s).ljust(512, b"\0")


@pytest.mark.parametrize("product", Product)
def test_the_certificates_that_ship_are_the_published_ones(product: Product) -> None:
    anchors = PINNED[product]
    bundle = vector(f"trust-anchors/amd/bundles/{product.lower()}_ask_ark_asvk.pem").read_text("ascii")
    blocks = [block.split("-----END")[0] for block in bundle.split("-----BEGIN CERTIFICATE-----")[1:]]
    published = [base64.b64decode(block) for block in blocks]
    assert published == [each.certificate.der for each in (anchors.ask, anchors.ark, anchors.asvk)]
