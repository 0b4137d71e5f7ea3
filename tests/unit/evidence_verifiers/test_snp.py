"""The SNP verifier: what it accepts, what it says of it, what it asks for. What it refuses is in `tests/attacks`."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from attestack_common.errors import ConfigError
from attestation_protocol.evidence.snp import Product
from attestation_protocol.evidence.snp_evidence import SnpEvidence
from evidence_verifiers.contract import Expected
from evidence_verifiers.snp import CHECKS, VERIFIER, SnpFloors, requirements, verify
from tee_lab.snp import SIGNED_BY_NONE, SIGNED_BY_VLEK, Generation, SnpMachine
from tee_lab.snp_certificates import NOT_AFTER, NOT_BEFORE, HardwareIdForm, Levels, Line, hierarchy

from tests.unit.evidence_verifiers.snp_support import LINES, NOW, VERSIONS, anchors, judge, machine, refusals

if TYPE_CHECKING:
    from evidence_verifiers.contract import EndorsementRequest

ALL_CODES = [
    "SNP-SIGNER",
    "SNP-CERTIFICATE",
    "SNP-PRODUCT",
    "SNP-ARK",
    "SNP-ARK-SIGNATURE",
    "SNP-ASK",
    "SNP-ASK-SIGNATURE",
    "SNP-VEK-SIGNATURE",
    "SNP-SIGNATURE",
    "SNP-DATES",
    "SNP-DATES",
    "SNP-DATES",
    "SNP-TCB",
    "SNP-CHIP-ID",
    "SNP-VMPL",
    "SNP-DEBUG",
    "SNP-MIGRATION",
    "SNP-REPORT-DATA",
    "SNP-HOST-DATA",
]


@pytest.mark.parametrize("generation", ["first", "second"])
@pytest.mark.parametrize("key_info", [0, SIGNED_BY_VLEK])
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("line", LINES)
def test_honest_evidence_is_accepted(line: Line, version: int, key_info: int, generation: Generation) -> None:
    evidence = machine(line).evidence(
        version=version, key_info=key_info, generation=generation, report_data=b"nonce", host_data=b"\x55" * 32
    )
    assert judge(evidence, report_data=b"nonce", init_data=b"\x55" * 48).cause is None


def test_all_checks_are_made_in_their_order() -> None:
    verdict = judge(machine().evidence(), report_data=b"", init_data=b"")
    assert [finding.check.code for finding in verdict.findings] == ALL_CODES
    assert list(dict.fromkeys(ALL_CODES)) == [check.code for check in CHECKS]
    assert len({check.code for check in CHECKS}) == len(CHECKS)


def test_a_vlek_is_compared_with_no_chip() -> None:
    verdict = judge(machine().evidence(key_info=SIGNED_BY_VLEK, chip_id=bytes(64)))
    assert verdict.claims is not None
    assert "SNP-CHIP-ID" not in {finding.check.code for finding in verdict.findings}


def test_what_is_not_expected_is_not_compared() -> None:
    codes = {finding.check.code for finding in judge(machine().evidence(report_data=b"any")).findings}
    assert not codes & {"SNP-REPORT-DATA", "SNP-HOST-DATA"}


def test_claims_have_the_names_and_values_that_policies_know() -> None:
    evidence = machine("Turin").evidence(
        policy=1 << 17 | 1 << 20 | 0x0205, platform_info=0b10, report_data=b"\x33" * 64, host_data=b"\x44" * 32
    )
    assert judge(evidence).claims == {
        "policy_abi_major": 2,
        "policy_abi_minor": 5,
        "policy_smt_allowed": False,
        "policy_migrate_ma": False,
        "policy_debug_allowed": False,
        "policy_single_socket": True,
        "reported_tcb_bootloader": 4,
        "reported_tcb_tee": 1,
        "reported_tcb_snp": 22,
        "reported_tcb_microcode": 213,
        "platform_tsme_enabled": True,
        "platform_smt_enabled": False,
        "measurement": "11" * 48,
        "report_data": "33" * 64,
        "init_data": "44" * 32,
        "chip_id": machine("Turin").chip_id.hex() + "00" * 56,
    }


def test_claims_of_what_the_floors_allow_say_so() -> None:
    floors = SnpFloors(allow_debug=True, allow_migration=True)
    claims = judge(machine().evidence(policy=0b1110 << 16), floors=floors).claims
    assert claims is not None
    assert (claims["policy_debug_allowed"], claims["policy_migrate_ma"]) == (True, True)


@pytest.mark.parametrize("form", ["bare", "wrapped"])
@pytest.mark.parametrize("line", LINES)
def test_the_chip_is_compared_in_both_forms(line: Line, form: HardwareIdForm) -> None:
    vcek = machine(line).vcek(hardware_id_form=form)
    verdict = judge(machine(line).evidence(certificates={"VCEK": vcek}))
    assert verdict.claims is not None
    chip = next(finding for finding in verdict.findings if finding.check.code == "SNP-CHIP-ID")
    assert chip.wanted == chip.got == machine(line).chip_id.hex().ljust(128, "0")


def test_authorities_in_the_evidence_are_taken_when_the_root_vouches_for_them() -> None:
    authorities = hierarchy("Milan")
    chain = {
        "ARK": authorities.ark.certificate,
        "ASK": authorities.ask.certificate,
        "VCEK": machine().vcek(),
        "CRL": b"not even a list",
        "ecae0c0f-9502-43b1-afa2-0ae2e0d565b6": b"a host's own",
    }
    assert judge(machine().evidence(certificates=chain)).cause is None


def test_of_both_keys_the_one_that_key_info_names_counts() -> None:
    both = {"VLEK": machine().vlek(), "VCEK": machine().vcek()}
    assert judge(machine().evidence(certificates=both)).findings[1].got == "a VCEK"
    assert judge(machine().evidence(certificates=both, key_info=SIGNED_BY_VLEK)).findings[1].got == "a VLEK"


@pytest.mark.parametrize("moment", [NOT_BEFORE, NOT_AFTER])
def test_both_ends_of_the_dates_are_within(moment: datetime) -> None:
    assert judge(machine().evidence(), now=moment).cause is None


def test_dates_are_told_for_each_certificate() -> None:
    verdict = judge(machine().evidence(), now=NOT_AFTER + timedelta(seconds=1))
    assert [(f.check.code, f.wanted.split(":")[0]) for f in verdict.failed] == [
        ("SNP-DATES", "ARK-Milan"),
        ("SNP-DATES", "SEV-Milan"),
        ("SNP-DATES", "SEV-VCEK"),
    ]


def test_all_failures_are_told_the_cause_first() -> None:
    evidence = machine().evidence(
        vmpl=2,
        policy=0b1110 << 16,
        chip_id=b"\x99" * 64,
        certificates={"VCEK": machine().vcek(levels=Levels(snp=1), not_after=NOW - timedelta(days=1))},
    )
    assert refusals(evidence, report_data=b"x", init_data=b"y") == [
        "SNP-DATES",
        "SNP-TCB",
        "SNP-CHIP-ID",
        "SNP-VMPL",
        "SNP-DEBUG",
        "SNP-MIGRATION",
        "SNP-REPORT-DATA",
        "SNP-HOST-DATA",
    ]


def test_a_finding_says_what_was_wanted_and_what_was_there() -> None:
    cause = judge(machine().evidence(certificates={"VCEK": machine().vcek(levels=Levels(snp=1))})).cause
    assert cause is not None
    assert cause.wanted == "bootloader 4, tee 1, snp 1, microcode 213"
    assert cause.got == "bootloader 4, tee 1, snp 22, microcode 213"


def request_of(evidence: dict[str, Any]) -> tuple[EndorsementRequest, ...]:
    return requirements(SnpEvidence.parse(evidence))


@pytest.mark.parametrize(
    ("line", "path", "offline"),
    [
        ("Milan", "?blSPL=04&teeSPL=01&snpSPL=22&ucodeSPL=213", "bl04_tee01_snp22_ucode213_vcek.der"),
        ("Genoa", "?blSPL=04&teeSPL=01&snpSPL=22&ucodeSPL=213", "bl04_tee01_snp22_ucode213_vcek.der"),
        ("Turin", "?fmcSPL=02&blSPL=04&teeSPL=01&snpSPL=22&ucodeSPL=213", "bl04_tee01_snp22_ucode213_fmc02_vcek.der"),
    ],
)
def test_a_vcek_is_asked_for_when_the_host_gave_none(line: Line, path: str, offline: str) -> None:
    chip = machine(line).chip_id.hex()
    assert len(chip) == (16 if line == "Turin" else 128)
    (request,) = request_of(machine(line).evidence(certificates=None))
    assert (request.name, request.source) == ("vcek", "kds")
    assert request.path == f"vcek/v1/{line}/{chip}{path}"
    assert request.offline == (f"vcek/{chip}/{offline}", f"vcek/{chip}/vcek.der")


@pytest.mark.parametrize("line", LINES)
def test_evidence_is_accepted_with_the_vcek_that_it_asked_for(line: Line) -> None:
    verdict = judge(machine(line).evidence(certificates=None), endorsements={"vcek": machine(line).vcek()})
    assert verdict.cause is None
    assert verdict.findings[0].got == "from a store"


def test_nothing_is_asked_for_when_the_host_gave_certificates() -> None:
    assert request_of(machine().evidence()) == ()


NOT_TO_BE_HAD: list[tuple[dict[str, Any], str]] = [
    ({"chip_id": bytes(64)}, "none: the chip id is masked"),
    ({"key_info": SIGNED_BY_VLEK}, "none: VLEKs are handed out by the host only"),
    ({"key_info": SIGNED_BY_NONE}, "none: KEY_INFO says that no key signed the report"),
    (
        {"version": 2},
        "none: a version 2 report names no product line; the host has to hand out the VCEK with it",
    ),
]


@pytest.mark.parametrize(("changes", "reason"), NOT_TO_BE_HAD)
def test_what_no_store_can_have_is_not_asked_for_and_refused_saying_why(changes: dict[str, Any], reason: str) -> None:
    evidence = machine().evidence(certificates=None, **changes)
    assert request_of(evidence) == ()
    verdict = judge(evidence)
    assert [(finding.check.code, finding.got) for finding in verdict.findings] == [("SNP-SIGNER", reason)]


def test_a_vcek_that_no_store_has_is_said_so() -> None:
    verdict = judge(machine().evidence(certificates=None))
    assert [(finding.check.code, finding.got) for finding in verdict.findings] == [
        ("SNP-SIGNER", "none: no store has it")
    ]


@pytest.mark.parametrize("vmpl", [-1, 4, 2**32])
def test_a_floor_out_of_range_is_a_configuration_error(vmpl: int) -> None:
    with pytest.raises(ConfigError, match=rf"snp_verifier\.max_vmpl is {vmpl}, and must be 0 to 3 \[CONFIG\]"):
        SnpFloors(max_vmpl=vmpl)


def test_the_floors_are_the_keys_of_their_table() -> None:
    assert [(each.name, each.default) for each in dataclasses.fields(VERIFIER.floors)] == [
        ("max_vmpl", 0),
        ("allow_debug", False),
        ("allow_migration", False),
        ("allow_masked_chip_id", False),
    ]


@pytest.mark.parametrize("line", LINES)
def test_a_line_without_a_trusted_root_is_refused(line: Line) -> None:
    evidence = SnpEvidence.parse(machine(line).evidence())
    others = {product: trusted for product, trusted in anchors().items() if product != line}
    verdict = verify(evidence, {}, Expected(), SnpFloors(), NOW, others)
    assert verdict.cause is not None
    assert (verdict.cause.check.code, verdict.cause.got) == ("SNP-ARK", "none is trusted")


def test_a13_the_lab_is_not_amd() -> None:
    verdict = verify(SnpEvidence.parse(SnpMachine.of("Milan").evidence()), {}, Expected(), SnpFloors(), NOW)
    assert [finding.check.code for finding in verdict.failed] == ["SNP-VEK-SIGNATURE"]


def test_a13_a_pin_is_compared_with_what_is_used() -> None:
    """A root that ships and is not the pinned one vouches for nothing, whatever the evidence holds."""
    milan = anchors()[Product.MILAN]
    wrong = dataclasses.replace(milan, ark=anchors()[Product.GENOA].ark)
    evidence = SnpEvidence.parse(
        machine().evidence(certificates={"VCEK": machine().vcek(), "ARK": milan.ark.certificate.der})
    )
    for given in (evidence, dataclasses.replace(evidence, certificates=None)):
        verdict = verify(given, {"vcek": machine().vcek()}, Expected(), SnpFloors(), NOW, {Product.MILAN: wrong})
        assert verdict.cause is not None
        assert verdict.cause.check.code == "SNP-ARK"


def test_the_moment_may_have_any_zone() -> None:
    assert judge(machine().evidence(), now=datetime(2026, 1, 31, 23, tzinfo=UTC).astimezone()).cause is None
