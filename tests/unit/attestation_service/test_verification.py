"""Evidence that came without its certificate: that is fetched, believed only when it verifies, never skipped."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from attestation_protocol.encoding import parse_json
from attestation_service.endorsement_sources import OfflineStore, OnlineSource
from attestation_service.errors import AttestationServiceError, EndorsementUnavailableError

from tests.conformance.recordings import http_recording
from tests.unit.attestation_service.kds import Answer, Kds
from tests.unit.attestation_service.service_bench import genoa, make_bench, snp

if TYPE_CHECKING:
    from pathlib import Path

CHIP = (
    "371c55d6d15cb50f16dc31d39a24e300caaabff4431e841111429b73ec45ad67"
    "ea6e687ffae7bf84b54a5d0e6d79b3ef6ff0bd8b4cff94c2163af5c5de8718e8"
)
TARGET = f"/vcek/v1/Genoa/{CHIP}?blSPL=10&teeSPL=00&snpSPL=23&ucodeSPL=25"


async def code(kds: Kds, evidence: Any) -> str:
    bench = await make_bench(sources={"kds": [OnlineSource(kds.url)]})
    try:
        await bench.service.evaluate([snp(evidence)])
    except AttestationServiceError as error:
        return error.code
    finally:
        await bench.service.close()
    return ""


async def test_the_certificate_is_fetched_and_used() -> None:
    evidence, vcek = genoa()
    async with Kds(Answer(vcek)) as kds:
        assert await code(kds, evidence) == ""
        assert kds.asked == [TARGET]


async def test_a_proven_certificate_is_asked_for_once() -> None:
    evidence, vcek = genoa()
    async with Kds(Answer(vcek)) as kds:
        bench = await make_bench(sources={"kds": [OnlineSource(kds.url)]})
        for _ in range(3):
            await bench.service.evaluate([snp(evidence)])
        kds.answer = Answer(b"forged")
        await bench.service.evaluate([snp(evidence)])
        await bench.service.close()
        assert kds.asked == [TARGET]


async def test_the_certificate_of_an_offline_store_is_used(tmp_path: Path) -> None:
    evidence, vcek = genoa()
    folder = tmp_path / "vcek" / CHIP
    folder.mkdir(parents=True)
    (folder / "bl10_tee00_snp23_ucode25_vcek.der").write_bytes(vcek)
    bench = await make_bench(sources={"kds": [OfflineStore(tmp_path)]})
    assert await bench.service.evaluate([snp(evidence)])


async def test_without_its_certificate_evidence_is_refused() -> None:
    evidence, _ = genoa()
    async with Kds(Answer(b"", 404)) as kds:
        assert await code(kds, evidence) == "AS-ENDORSEMENT-MISSING"
    async with Kds(Answer(b"", 429)) as kds:
        assert await code(kds, evidence) == "AS-ENDORSEMENT-UNAVAILABLE"


async def test_the_record_of_a_missing_certificate_names_the_tee() -> None:
    bench = await make_bench()
    with pytest.raises(EndorsementUnavailableError):
        await bench.service.evaluate([snp(genoa()[0])])
    (record,) = bench.records
    assert (record.code, record.evidence[0].tee, record.evidence[0].findings) == ("AS-ENDORSEMENT-MISSING", "snp", ())


@pytest.mark.parametrize("forged", [b"junk", b"\x30\x03\x02\x01\x00"])
async def test_a_certificate_that_is_none_is_refused(forged: bytes) -> None:
    evidence, _ = genoa()
    async with Kds(Answer(forged)) as kds:
        assert await code(kds, evidence) == "SNP-CERTIFICATE"


async def test_the_certificate_of_another_machine_is_refused() -> None:
    evidence, _ = genoa()
    (milan,) = (entry["data"] for entry in snp().evidence["cert_chain"])
    async with Kds(Answer(bytes(milan))) as kds:
        assert await code(kds, evidence) == "SNP-PRODUCT"


def test_the_recorded_evidence_is_what_it_is_taken_for() -> None:
    request = http_recording("as/as-rest-snp").steps[0].request.json["verification_requests"][0]
    text = request["evidence"]
    assert parse_json(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))["attestation_report"]["version"] == 3
