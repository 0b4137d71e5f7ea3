"""AMD's certificates: the roots are the published ones, and a VCEK or VLEK is one or the one error."""

from __future__ import annotations

import dataclasses
import hashlib
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from attestation_protocol.errors import EvidenceFormatError
from attestation_protocol.evidence.snp import Product, SigningKey, Tcb
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from evidence_verifiers.snp_certificates import PINNED, Authority, Certificate, EndorsementKey, intermediate_name
from hypothesis import given
from hypothesis import strategies as st
from tee_lab import der
from tee_lab.snp_certificates import (
    AMD_OID,
    NOT_AFTER,
    NOT_BEFORE,
    HardwareIdForm,
    Levels,
    Line,
    authority_certificate,
    certificate,
    extension,
    hierarchy,
    vcek,
)

from tests.unit.evidence_verifiers.snp_support import LINES, machine

if TYPE_CHECKING:
    from collections.abc import Callable

PUBLISHED = {
    "ARK-Milan": "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd",
    "SEV-Milan": "67d303bd3905fd38db8b20e0793699870e7fa612eaad5dec358293fd8c0bac1b",
    "SEV-VLEK-Milan": "c5e081f59b7efab1fe2f8b505e159704e72f29cab7ef7cf628a05a42439082f5",
    "ARK-Genoa": "4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1",
    "SEV-Genoa": "5464738c1546aed5f2cecf1dc98c5c960a92e8913238a61711bc90ec6e828521",
    "SEV-VLEK-Genoa": "197e610743a917d6b9bb982a5a9226ccc0a15b611be0619e626aca9151457372",
    "ARK-Turin": "1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a",
    "SEV-Turin": "5b77ef5fe7a7a004fd9032668fba9d0fda22f88c4442069a479636a6ae3b3185",
    "SEV-VLEK-Turin": "104e10a8bd060a3c20a434261a57d0588fd65a88915b4f65b08bdecaf8df1a3c",
}
"""SHA-256 of the DER of what https://kdsintf.amd.com serves, as it was compared among several public copies."""


VCEK, ASK = machine().vcek(), hierarchy("Milan").ask.certificate


def refusal(der_bytes: bytes, parse: Callable[[bytes], object] = EndorsementKey.parse) -> str:
    with pytest.raises(EvidenceFormatError) as refused:
        parse(der_bytes)
    assert refused.value.code == "SNP-CERTIFICATE"
    return refused.value.message


def test_what_ships_is_what_amd_published() -> None:
    shipped = [authority for anchors in PINNED.values() for authority in (anchors.ark, anchors.ask, anchors.asvk)]
    assert {a.certificate.name: hashlib.sha256(a.certificate.der).hexdigest() for a in shipped} == PUBLISHED
    assert {anchors.ark_sha256 for anchors in PINNED.values()} == {PUBLISHED[f"ARK-{line}"] for line in LINES}


@pytest.mark.parametrize("product", Product)
def test_what_ships_forms_chains(product: Product) -> None:
    anchors = PINNED[product]
    assert anchors.ark.certificate.name == f"ARK-{product}"
    for signer in (SigningKey.VCEK, SigningKey.VLEK):
        authority = anchors.intermediate(signer)
        assert authority.certificate.name == intermediate_name(product, signer)
        assert anchors.ark.issued(authority.certificate)
    assert anchors.ark.issued(anchors.ark.certificate)
    assert not anchors.ask.issued(anchors.asvk.certificate)


def test_a13_the_root_of_one_line_issued_nothing_of_another() -> None:
    for signer in Product:
        for subject in Product:
            assert PINNED[signer].ark.issued(PINNED[subject].ask.certificate) == (signer is subject)


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("form", ["bare", "wrapped"])
def test_a_vcek_is_read(line: Line, form: HardwareIdForm) -> None:
    key = EndorsementKey.parse(machine(line).vcek(hardware_id_form=form))
    assert (key.kind, key.product) == (SigningKey.VCEK, line)
    assert key.tcb == Tcb(4, 1, 22, 213, 2 if line == "Turin" else None)
    assert key.hardware_id == machine(line).chip_id
    assert key.cloud_provider is None
    assert (key.certificate.name, key.certificate.not_before, key.certificate.not_after) == (
        "SEV-VCEK",
        NOT_BEFORE,
        NOT_AFTER,
    )


@pytest.mark.parametrize("line", LINES)
def test_a_vlek_is_read(line: Line) -> None:
    key = EndorsementKey.parse(machine(line).vlek())
    assert (key.kind, key.product) == (SigningKey.VLEK, line)
    assert (key.hardware_id, key.cloud_provider) == (None, "CN=cloud.example")


@pytest.mark.parametrize("level", [0, 1, 127, 128, 255])
def test_a_level_may_take_two_bytes(level: int) -> None:
    key = EndorsementKey.parse(machine().vcek(levels=Levels(level, level, level, level)))
    assert key.tcb == Tcb(level, level, level, level)


def test_a_serial_number_of_zero_is_no_trouble() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert EndorsementKey.parse(machine().vcek(serial=0)).kind is SigningKey.VCEK


@pytest.mark.parametrize("name", ["Milan", "Milan-B0", "Milan-B1"])
def test_a_product_name_may_have_a_stepping(name: str) -> None:
    assert EndorsementKey.parse(machine().vcek(product_name=name)).product is Product.MILAN


@pytest.mark.parametrize("name", ["", "Rome", "milan", "Milan B0", "-Milan", "Mil\x00an", "\x1b[31mMilan"])
def test_a13_other_product_names_are_refused(name: str) -> None:
    refusal(machine().vcek(product_name=name))


@pytest.mark.parametrize("name", ["VCEK", "SEV-Milan", "ARK-Milan", "sev-vcek", ""])
def test_a13_other_common_names_are_refused(name: str) -> None:
    assert "neither SEV-VCEK nor SEV-VLEK" in refusal(machine().vcek(common_name=name))


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("vcek", {"hardware_id": None}),
        ("vcek", {"cloud_provider": "CN=cloud.example"}),
        ("vlek", {"cloud_provider": None}),
        ("vlek", {"hardware_id": bytes(64)}),
        ("vlek", {"common_name": "SEV-VCEK"}),
        ("vcek", {"common_name": "SEV-VLEK"}),
    ],
)
def test_a13_a_vcek_has_a_chip_and_a_vlek_a_provider(kind: str, changes: dict[str, Any]) -> None:
    assert (
        refusal(getattr(machine(), kind)(**changes))
        == "a VCEK has a hardware id and no cloud provider, a VLEK the reverse"
    )


@pytest.mark.parametrize(
    ("line", "hardware_id"),
    [
        ("Milan", b"\1" * 8),
        ("Milan", b"\1" * 63),
        ("Milan", b"\1" * 65),
        ("Turin", b"\1" * 64),
        ("Turin", b"\1" * 7),
        ("Milan", b""),
    ],
)
@pytest.mark.parametrize("form", ["bare", "wrapped"])
def test_a13_a_hardware_id_has_the_size_of_its_line(line: Line, hardware_id: bytes, form: HardwareIdForm) -> None:
    refusal(machine(line).vcek(hardware_id=hardware_id, hardware_id_form=form))


@pytest.mark.parametrize("arcs", ["2", "3.1", "3.2", "3.3", "3.8"])
def test_a20_a_certificate_that_lacks_a_level_or_its_line_is_refused(arcs: str) -> None:
    refusal(machine().vcek(left_out=frozenset({arcs})))


def test_a14_only_turin_has_a_level_for_fmc() -> None:
    assert refusal(machine("Turin").vcek(fmc=False)) == "a certificate for Turin has no level for fmc"
    assert refusal(machine("Genoa").vcek(fmc=True)) == "a certificate for Genoa has a level for fmc"


def test_a14_reserved_levels_are_zero_or_absent() -> None:
    absent = frozenset({"3.4", "3.5", "3.6", "3.7"})
    assert EndorsementKey.parse(machine().vcek(left_out=absent)).tcb == Tcb(4, 1, 22, 213)
    assert refusal(machine().vcek(reserved_levels=1)) == "a reserved security patch level is not zero"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "02",
        "0200",
        "0201",
        "020103ff",
        "02020003",
        "0201ff",
        "02020100",
        "0203000001",
        "0a0103",
        "040103",
        "02810103",
    ],
)
def test_a15_a_level_is_der(value: str) -> None:
    twisted = extension(f"{AMD_OID}.3.1", bytes.fromhex(value))
    refusal(machine().vcek(left_out=frozenset({"3.1"}), more_extensions=(twisted,)))


@pytest.mark.parametrize(
    "value", [b"Milan", b"\x16\x04Milan", b"\x0c\x05Milan", b"\x16\x81\x05Milan", b"\x16\x05Mil\xe4n"]
)
def test_a15_a_product_name_is_der(value: bytes) -> None:
    refusal(machine().vcek(left_out=frozenset({"2"}), more_extensions=(extension(f"{AMD_OID}.2", value),)))


def test_a15_an_extension_twice_is_refused() -> None:
    again = extension(f"{AMD_OID}.3.1", der.integer(4))
    assert "not an X.509 certificate" in refusal(machine().vcek(more_extensions=(again,)))


def test_a15_a_critical_extension_is_refused() -> None:
    critical = extension("1.3.6.1.4.1.3704.99", b"\x05\x00", critical=True)
    assert "critical extension 1.3.6.1.4.1.3704.99" in refusal(machine().vcek(more_extensions=(critical,)))


def test_extensions_of_other_owners_are_not_looked_at() -> None:
    constraints = extension("2.5.29.19", der.sequence())
    assert EndorsementKey.parse(machine().vcek(more_extensions=(constraints,))).product is Product.MILAN


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP256R1()), hierarchy("Milan").ask.key])
def test_a13_a_key_off_p384_is_refused(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
    endorsement = vcek(hierarchy("Milan"), machine().chip_id, Levels())
    assert refusal(endorsement.issue(key.public_key())) == "its key is not on P-384"


def test_an_authority_is_read() -> None:
    authorities = hierarchy("Genoa")
    ark, ask = Authority.parse(authorities.ark.certificate), Authority.parse(authorities.ask.certificate)
    assert (ark.certificate.name, ask.certificate.name) == ("ARK-Genoa", "SEV-Genoa")
    assert ark.issued(ark.certificate)
    assert ark.issued(ask.certificate)
    assert not ask.issued(ark.certificate)


def test_a13_a_certificate_that_is_for_no_authority_is_refused() -> None:
    ask = hierarchy("Milan").ask
    not_ca = authority_certificate("SEV-Milan", ask.key, hierarchy("Milan").ark, authority=False)
    assert refusal(not_ca, Authority.parse) == "it is not for an authority with an RSA key"
    assert refusal(machine().vcek(), Authority.parse) == "it is not for an authority"
    constraints = extension("2.5.29.19", der.sequence(der.BOOLEAN_TRUE), critical=True)
    with_ec_key = dataclasses.replace(
        vcek(hierarchy("Milan"), machine().chip_id, Levels()), more_extensions=(constraints,)
    )
    ec_authority = with_ec_key.issue(machine().key.public_key())
    assert refusal(ec_authority, Authority.parse) == "it is not for an authority with an RSA key"


def test_a13_the_issuer_is_named_and_signs() -> None:
    """A certificate that another key signed under this name, and one that this key signed under another name."""
    trusted, foreign = hierarchy("Milan"), hierarchy("Milan", "foreign")
    ask = Authority.parse(trusted.ask.certificate)
    assert ask.issued(Certificate.parse(machine().vcek()))
    assert not ask.issued(Certificate.parse(machine().vcek(issuer=foreign.ask)))
    renamed = dataclasses.replace(trusted.ask, name="SEV-Genoa")
    assert not ask.issued(Certificate.parse(machine().vcek(issuer=renamed)))


def test_a_certificate_needs_one_common_name() -> None:
    key = hierarchy("Milan").ark.key
    nameless = certificate(
        subject="SEV-VCEK",
        issuer="SEV-Milan",
        public_key=machine().key.public_key(),
        signer=key,
        serial=1,
        extensions=(),
        not_before=NOT_BEFORE,
        not_after=NOT_AFTER,
    ).replace(bytes.fromhex("0603550403"), bytes.fromhex("060355040b"))
    assert refusal(nameless) == "its subject has no common name that can be printed, or several"


@pytest.mark.parametrize("name", ["SEV-Milan\x1b[2J", "SEV-Milan\n", "SEV-\u202eMilan", "S" * 65])
def test_a24_a_name_cannot_write_into_logs_and_terminals(name: str) -> None:
    ask = authority_certificate(name, hierarchy("Milan").ask.key, hierarchy("Milan").ark)
    assert refusal(ask, Authority.parse) == "its subject has no common name that can be printed, or several"


def test_a24_a_name_of_an_odd_type_is_refused() -> None:
    assert "not an X.509 certificate" in refusal(VCEK.replace(b"\x0c\x08SEV-VCEK", b"\x03\x08SEV-VCEK"))


@pytest.mark.parametrize("data", [b"", b"\x30", b"\x30\x00", b"-----BEGIN CERTIFICATE-----\n", bytes(2000)])
def test_a24_what_is_not_a_certificate_is_refused(data: bytes) -> None:
    for parse in (EndorsementKey.parse, Authority.parse):
        assert "not an X.509 certificate" in refusal(data, parse)


def test_a21_no_flipped_bit_of_a_certificate_is_accepted() -> None:
    """The algorithm stands in it twice, once outside of what is signed."""
    ask = Authority.parse(ASK)
    assert ask.issued(EndorsementKey.parse(VCEK).certificate)
    for at in range(len(VCEK)):
        flipped = bytearray(VCEK)
        flipped[at] ^= 1 << at % 8
        try:
            certificate = EndorsementKey.parse(bytes(flipped)).certificate
        except EvidenceFormatError:
            continue
        assert not ask.issued(certificate)


def test_a21_an_algorithm_that_differs_outside_of_what_is_signed_is_refused() -> None:
    at = VCEK.rindex(bytes.fromhex("0609608648016503040202"))
    assert refusal(VCEK[:at] + VCEK[at:].replace(b"\x04\x02\x02", b"\x04\x02\x01", 1)) == (
        "its signature algorithm differs within and without"
    )


def test_a15_nothing_may_follow_a_certificate() -> None:
    refusal(machine().vcek() + b"\0")


@given(st.sampled_from([VCEK, ASK]), st.data())
def test_a24_a_certificate_with_any_byte_changed_is_one_or_the_one_error(good: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(good) - 1))
    bad = good[:at] + bytes((data.draw(st.integers(0, 255)),)) + good[at + 1 :]
    for parse in (EndorsementKey.parse, Authority.parse):
        try:
            parse(bad)
        except EvidenceFormatError as error:
            assert error.code == "SNP-CERTIFICATE"  # noqa: PT017  # either outcome is right


@given(st.binary(max_size=200))
def test_a24_any_bytes_are_a_certificate_or_the_one_error(data: bytes) -> None:
    for parse in (EndorsementKey.parse, Authority.parse):
        refusal(data, parse)
