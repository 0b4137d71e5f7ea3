"""The lab's SNP machines: their honest output is what real machines put out, and any X.509 library reads it."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING

import pytest
from attestation_protocol.evidence.snp_evidence import report_bytes
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from tee_lab.snp import SIGNED_BY_VLEK, SnpMachine, certificate_table, evidence_json, report_json, tcb
from tee_lab.snp_certificates import NOT_AFTER, NOT_BEFORE, Levels, hierarchy

from tests.conformance.vectors import HERE, vector
from tests.unit.evidence_verifiers.snp_support import LINES, machine

if TYPE_CHECKING:
    from tee_lab.snp_certificates import Line

SEED = json.loads((HERE / "snp" / "seed" / "evidence.json").read_bytes())
PSS_SHA384 = PSS(MGF1(hashes.SHA384()), 48)


def load(der: bytes) -> x509.Certificate:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the serial number 0, which is AMD's way
        return x509.load_der_x509_certificate(der)


def signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    key = issuer.public_key()
    assert isinstance(key, RSAPublicKey)
    key.verify(certificate.signature, certificate.tbs_certificate_bytes, PSS_SHA384, hashes.SHA384())
    return certificate.issuer == issuer.subject


def test_its_json_of_the_first_generation_is_that_of_a_real_guest() -> None:
    genuine = report_bytes(SEED["attestation_report"])
    assert report_json(genuine, generation="first") == SEED["attestation_report"]
    vcek = bytes(SEED["cert_chain"][0]["data"])
    assert evidence_json(genuine, [("VCEK", vcek)], generation="first") == SEED


def test_its_json_of_the_second_generation_is_that_of_a_real_guest() -> None:
    real = json.loads(vector("snp/upstream/e2e-evidence-genoa-v3.json").read_bytes())
    made = report_json(vector("snp/upstream/e2e-report-genoa-v3.bin").read_bytes())
    assert (made.pop("launch_mit_vector"), made.pop("current_mit_vector")) == (None, None)
    assert made == real["attestation_report"]


@pytest.mark.parametrize("line", LINES)
def test_its_chain_verifies_in_a_library_of_others(line: Line) -> None:
    authorities = hierarchy(line)
    ark, ask, asvk = (load(each.certificate) for each in (authorities.ark, authorities.ask, authorities.asvk))
    vcek, vlek = load(machine(line).vcek()), load(machine(line).vlek())
    for certificate, issuer in ((ark, ark), (ask, ark), (asvk, ark), (vcek, ask), (vlek, asvk)):
        assert signed_by(certificate, issuer)
        assert certificate.version is x509.Version.v3
        assert (certificate.not_valid_before_utc, certificate.not_valid_after_utc) == (NOT_BEFORE, NOT_AFTER)
        assert certificate.signature_algorithm_parameters is not None


@pytest.mark.parametrize("line", LINES)
def test_its_reports_are_signed_by_the_key_of_its_vcek(line: Line) -> None:
    report = machine(line).report()
    assert len(report) == 1184
    r, s = (int.from_bytes(report[at : at + 72], "little") for at in (0x2A0, 0x2E8))
    key = load(machine(line).vcek()).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(encode_dss_signature(r, s), report[:0x2A0], ec.ECDSA(hashes.SHA384()))


def test_real_vceks_have_the_extensions_that_its_own_have() -> None:
    real = load(bytes(SEED["cert_chain"][0]["data"]))
    made = load(machine("Milan").vcek())
    assert [e.oid for e in made.extensions] == [e.oid for e in real.extensions]
    assert made.subject == real.subject
    assert made.issuer == real.issuer
    assert made.signature_algorithm_oid == real.signature_algorithm_oid


def test_tcb_versions_by_line() -> None:
    levels = Levels(bootloader=1, tee=2, snp=3, microcode=4, fmc=5)
    assert tcb("Milan", levels).hex() == tcb("Genoa", levels).hex() == "0102000000000304"
    assert tcb("Turin", levels).hex() == "0501020300000004"


def test_lies_are_signed_as_well_as_the_truth() -> None:
    report = machine().report(vmpl=3, measurement=b"\x99" * 48, patches=((0x04C, b"\1"),))
    assert report[0x030] == 3
    assert report[0x090:0x0C0] == b"\x99" * 48
    assert report[0x04C] == 1


def test_a_foreign_amd_has_the_same_names_and_other_keys() -> None:
    trusted, foreign = hierarchy("Milan"), hierarchy("Milan", "foreign")
    assert load(trusted.ark.certificate).subject == load(foreign.ark.certificate).subject
    assert trusted.ark.key is not foreign.ark.key
    assert hierarchy("Milan") is trusted


def test_honest_certificates_are_those_that_key_info_speaks_of() -> None:
    made = SnpMachine.of("Genoa")
    assert [entry["cert_type"] for entry in made.evidence()["cert_chain"]] == ["VCEK"]
    assert [entry["cert_type"] for entry in made.evidence(key_info=SIGNED_BY_VLEK)["cert_chain"]] == ["VLEK"]
    assert made.evidence(certificates=None)["cert_chain"] is None


def test_a_certificate_table_lies_as_the_hardware_interface_lays_it() -> None:
    other = "ecae0c0f-9502-43b1-afa2-0ae2e0d565b6"
    table = certificate_table([("VCEK", b"vcek"), (other, b"x")])
    assert table.hex() == (
        "63da758de6644564adc5f4b93be8accd"
        "48000000"
        "04000000"
        "ecae0c0f950243b1afa20ae2e0d565b6"
        "4c000000"
        "01000000" + "00" * 24 + b"vcekx".hex()
    )
