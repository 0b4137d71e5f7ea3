"""A26: certificates out of a store are proven like any other, and evidence cannot say where they come from."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from attestation_protocol.evidence.snp_evidence import SnpEvidence
from evidence_verifiers.snp import requirements
from tee_lab.snp import SnpMachine
from tee_lab.snp_certificates import Levels, Line

from tests.unit.evidence_verifiers.snp_support import LINES, NOW, judge, machine, refusals

WITHOUT = machine().evidence(certificates=None)


@pytest.mark.parametrize(
    ("cached", "codes"),
    [
        (SnpMachine.of("Milan", which="foreign").vcek(), ["SNP-VEK-SIGNATURE", "SNP-SIGNATURE"]),
        (SnpMachine.of("Milan").vcek(), ["SNP-SIGNATURE"]),
        (machine().vcek(levels=Levels(snp=1)), ["SNP-TCB"]),
        (machine().vcek(hardware_id=b"\1" * 64), ["SNP-CHIP-ID"]),
        (machine().vcek(not_after=NOW - timedelta(seconds=1)), ["SNP-DATES"]),
        (machine().vcek(not_before=NOW + timedelta(seconds=1)), ["SNP-DATES"]),
        (machine().vlek(), ["SNP-CERTIFICATE", "SNP-VEK-SIGNATURE"]),
        (machine("Genoa").vcek(), ["SNP-PRODUCT", "SNP-VEK-SIGNATURE", "SNP-SIGNATURE"]),
        (b"<html>Too many requests</html>", ["SNP-CERTIFICATE"]),
        (b"", ["SNP-CERTIFICATE"]),
    ],
)
def test_a26_a_forged_or_stale_vcek_in_a_store_is_refused(cached: bytes, codes: list[str]) -> None:
    assert refusals(WITHOUT, endorsements={"vcek": cached}) == codes


def test_a26_a_store_does_not_overrule_the_certificates_of_the_evidence() -> None:
    other = machine().evidence(certificates={"VCEK": SnpMachine.of("Milan").vcek()})
    assert refusals(other, endorsements={"vcek": machine().vcek()}) == ["SNP-SIGNATURE"]


def test_a26_other_names_in_the_store_are_not_looked_at() -> None:
    assert refusals(WITHOUT, endorsements={"VCEK": machine().vcek(), "ark": b""}) == ["SNP-SIGNER"]


@pytest.mark.parametrize("line", LINES)
def test_a26_what_is_asked_for_is_made_of_numbers_only(line: Line) -> None:
    """No text of the evidence gets into a path, so none can lead out of the store or to another host."""
    (request,) = requirements(SnpEvidence.parse(machine(line).evidence(certificates=None)))
    assert re.fullmatch(r"vcek/v1/(Milan|Genoa|Turin)/[0-9a-f]{16,128}\?([a-z]+SPL=[0-9]{2,3}&?){4,5}", request.path)
    for path in request.offline:
        assert re.fullmatch(r"vcek/[0-9a-f]{16,128}/[a-z0-9_]+\.der", path)


def test_a26_a_masked_chip_asks_for_nothing() -> None:
    """A request for chip zero would be one that anyone can have repeated without end."""
    assert requirements(SnpEvidence.parse(machine().evidence(certificates=None, chip_id=bytes(64)))) == ()


@pytest.mark.parametrize("revocation_list", [b"", b"\x30\x00", bytes(16 * 1024)])
def test_a26_revocation_lists_in_evidence_are_not_read(revocation_list: bytes) -> None:
    """Whoever sends evidence could leave them out: they neither add nor take trust."""
    chain = {"VCEK": machine().vcek(), "CRL": revocation_list}
    assert judge(machine().evidence(certificates=chain)).cause is None
    assert refusals(machine().evidence(certificates={"CRL": revocation_list})) == ["SNP-CHAIN"]


@pytest.mark.parametrize("moment", [NOW - timedelta(days=3650), NOW + timedelta(days=3650)])
def test_a26_dates_are_those_of_now_for_every_certificate(moment: object) -> None:
    assert refusals(machine().evidence(), now=moment) == ["SNP-DATES"] * 3
