"""A13: a key of the wrong kind, line, chip or maker signs nothing that is believed."""

from __future__ import annotations

import dataclasses

import pytest
from evidence_verifiers.snp import SnpFloors
from tee_lab.snp import SIGNED_BY_NONE, SIGNED_BY_VCEK, SIGNED_BY_VLEK, SnpMachine
from tee_lab.snp_certificates import Line, authority_certificate, hierarchy

from tests.unit.evidence_verifiers.snp_support import LINES, judge, machine, refusals

FOREIGN = SnpMachine.of("Milan", which="foreign")


@pytest.mark.parametrize("line", LINES)
def test_a13_a_vlek_does_not_sign_as_a_vcek(line: Line) -> None:
    """KEY_INFO says VCEK; the host hands out a VLEK, under its own name and under a VCEK's."""
    vlek = machine(line).vlek()
    assert refusals(machine(line).evidence(certificates={"VLEK": vlek})) == ["SNP-SIGNER"]
    assert refusals(machine(line).evidence(certificates={"VCEK": vlek})) == ["SNP-CERTIFICATE", "SNP-VEK-SIGNATURE"]


@pytest.mark.parametrize("line", LINES)
def test_a13_a_vcek_does_not_sign_as_a_vlek(line: Line) -> None:
    vcek = machine(line).vcek()
    for certificates, codes in (
        ({"VCEK": vcek}, ["SNP-SIGNER"]),
        ({"VLEK": vcek}, ["SNP-CERTIFICATE", "SNP-VEK-SIGNATURE"]),
    ):
        assert refusals(machine(line).evidence(certificates=certificates, key_info=SIGNED_BY_VLEK)) == codes


def test_a13_the_authority_for_vleks_vouches_for_no_vcek() -> None:
    authorities = hierarchy("Milan")
    vcek = machine().vcek(issuer=authorities.asvk)
    assert refusals(machine().evidence(certificates={"VCEK": vcek})) == ["SNP-VEK-SIGNATURE"]
    with_asvk = {"VCEK": vcek, "ASK": authorities.asvk.certificate}
    assert refusals(machine().evidence(certificates=with_asvk)) == ["SNP-ASK"]


def test_a13_the_authority_for_vceks_vouches_for_no_vlek() -> None:
    authorities = hierarchy("Milan")
    chain = {"VLEK": machine().vlek(issuer=authorities.ask), "ASK": authorities.ask.certificate}
    assert refusals(machine().evidence(certificates=chain, key_info=SIGNED_BY_VLEK)) == ["SNP-ASK"]


def test_a13_the_root_itself_vouches_for_no_key() -> None:
    authorities = hierarchy("Milan")
    chain = {"VCEK": machine().vcek(issuer=authorities.ark)}
    assert refusals(machine().evidence(certificates=chain)) == ["SNP-VEK-SIGNATURE"]
    chain["ASK"] = authorities.ark.certificate
    assert refusals(machine().evidence(certificates=chain)) == ["SNP-ASK"]


@pytest.mark.parametrize("certificates", [None, "honest"])
def test_a13_a_report_that_no_key_signed_is_refused(certificates: str | None) -> None:
    evidence = machine().evidence(key_info=SIGNED_BY_NONE)
    if certificates is None:
        evidence["cert_chain"] = None
    assert refusals(evidence, endorsements={"vcek": machine().vcek()}) == ["SNP-SIGNER"]


def test_a13_zeros_are_no_signature() -> None:
    """MASK_CHIP_KEY makes the firmware write zeros."""
    evidence = machine().evidence(key_info=SIGNED_BY_VCEK | 1 << 1)
    assert judge(evidence).claims is not None
    evidence["attestation_report"]["signature"] = {"r": [0] * 72, "s": [0] * 72}
    assert refusals(evidence) == ["SNP-SIGNATURE"]


@pytest.mark.parametrize("line", LINES)
def test_a13_another_chips_key_of_the_same_amd_does_not_sign(line: Line) -> None:
    other = SnpMachine.of(line)
    assert refusals(machine(line).evidence(certificates={"VCEK": other.vcek()})) == ["SNP-SIGNATURE"]


@pytest.mark.parametrize("line", LINES)
def test_a13_a_key_made_for_another_chip_is_refused(line: Line) -> None:
    stolen = machine(line).vcek(hardware_id=bytes(len(machine(line).chip_id) - 1) + b"\1")
    assert refusals(machine(line).evidence(certificates={"VCEK": stolen})) == ["SNP-CHIP-ID"]
    assert refusals(machine(line).evidence(chip_id=b"\x77" * len(machine(line).chip_id))) == ["SNP-CHIP-ID"]


def test_a13_on_turin_all_64_bytes_of_the_chip_id_count() -> None:
    turin = machine("Turin")
    assert refusals(turin.evidence(chip_id=turin.chip_id + bytes(55) + b"\1")) == ["SNP-CHIP-ID"]


@pytest.mark.parametrize("line", LINES)
def test_a13_a_masked_chip_id_is_refused_unless_named(line: Line) -> None:
    masked = machine(line).evidence(chip_id=bytes(64))
    assert refusals(masked) == ["SNP-CHIP-ID"]
    assert judge(masked, floors=SnpFloors(allow_masked_chip_id=True)).claims is not None


def test_a13_allowing_masked_chip_ids_allows_no_other_chip() -> None:
    evidence = machine().evidence(chip_id=b"\x77" * 64)
    assert refusals(evidence, floors=SnpFloors(allow_masked_chip_id=True)) == ["SNP-CHIP-ID"]


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("other", LINES)
def test_a13_a_key_of_another_line_is_refused(line: Line, other: Line) -> None:
    """The report says one line by its CPU, the key is another's: with the honest VCEK of that other machine."""
    if line == other:
        return
    honest = machine(other)
    masquerade = dataclasses.replace(machine(line), key=honest.key)
    codes = refusals(masquerade.evidence(certificates={"VCEK": honest.vcek()}))
    assert codes == ["SNP-PRODUCT", "SNP-VEK-SIGNATURE"]


def test_a13_the_line_of_a_certificate_and_of_its_issuer_agree() -> None:
    """SEV-Milan signs what calls itself a key of Genoa."""
    forged = machine().vcek(product_name="Genoa-B0")
    assert refusals(machine().evidence(certificates={"VCEK": forged})) == ["SNP-PRODUCT"]
    assert refusals(machine().evidence(version=2, certificates={"VCEK": forged})) == ["SNP-VEK-SIGNATURE"]


def test_a13_a_version_2_report_is_read_in_the_order_of_the_keys_line() -> None:
    turin = machine("Turin")
    masquerade = dataclasses.replace(machine("Milan"), key=turin.key)
    evidence = masquerade.evidence(version=2, certificates={"VCEK": turin.vcek()})
    assert refusals(evidence) == ["SNP-PRODUCT"]


@pytest.mark.parametrize(
    "chain",
    [
        {"VCEK": FOREIGN.vcek()},
        {"VCEK": FOREIGN.vcek(), "ASK": FOREIGN.authorities.ask.certificate},
        {
            "VCEK": FOREIGN.vcek(),
            "ASK": FOREIGN.authorities.ask.certificate,
            "ARK": FOREIGN.authorities.ark.certificate,
        },
        {"VCEK": FOREIGN.vcek(), "ARK": FOREIGN.authorities.ark.certificate},
        {"VCEK": FOREIGN.vcek(), "ASK": hierarchy("Milan").ask.certificate, "ARK": hierarchy("Milan").ark.certificate},
    ],
)
def test_a13_a_whole_chain_of_a_foreign_root_is_refused(chain: dict[str, bytes]) -> None:
    codes = refusals(FOREIGN.evidence(certificates=chain))
    wanted = "SNP-VEK-SIGNATURE"
    if chain.get("ASK") == FOREIGN.authorities.ask.certificate:
        wanted = "SNP-ASK-SIGNATURE"
    if chain.get("ARK") == FOREIGN.authorities.ark.certificate:
        wanted = "SNP-ARK"
    assert codes == [wanted]


def test_a13_a_root_with_the_same_name_and_key_and_other_bytes_is_not_the_pinned_one() -> None:
    authorities = hierarchy("Milan")
    twin = authority_certificate("ARK-Milan", authorities.ark.key, None)
    assert twin != authorities.ark.certificate
    assert refusals(machine().evidence(certificates={"VCEK": machine().vcek(), "ARK": twin})) == ["SNP-ARK"]


def test_a13_a_root_of_another_line_is_refused() -> None:
    chain = {"VCEK": machine().vcek(), "ARK": hierarchy("Genoa").ark.certificate}
    assert refusals(machine().evidence(certificates=chain)) == ["SNP-ARK"]


def test_a13_an_intermediate_of_another_line_is_refused() -> None:
    chain = {"VCEK": machine().vcek(), "ASK": hierarchy("Genoa").ask.certificate}
    assert refusals(machine().evidence(certificates=chain)) == ["SNP-ASK", "SNP-ASK-SIGNATURE"]


def test_a13_a_key_that_signed_itself_in_as_the_intermediate_is_refused() -> None:
    foreign = hierarchy("Milan", "foreign")
    chain = {
        "VCEK": machine().vcek(issuer=foreign.ask),
        "ASK": authority_certificate("SEV-Milan", foreign.ask.key, None),
    }
    assert refusals(machine().evidence(certificates=chain)) == ["SNP-ASK-SIGNATURE"]


def test_a13_an_intermediate_that_is_no_authority_is_refused() -> None:
    authorities = hierarchy("Milan")
    not_ca = authority_certificate("SEV-Milan", authorities.ask.key, authorities.ark, authority=False)
    assert refusals(machine().evidence(certificates={"VCEK": machine().vcek(), "ASK": not_ca})) == ["SNP-ASK"]
    assert refusals(machine().evidence(certificates={"VCEK": machine().vcek(), "ASK": b"\x30\0"})) == ["SNP-ASK"]


def test_a13_a_report_that_another_key_signed_is_refused() -> None:
    assert refusals(machine().evidence(key=FOREIGN.key)) == ["SNP-SIGNATURE"]
