"""A26: a forged certificate in the cache, a poisoned negative cache, an address from evidence, a storm on the service.

The evidence is that of a real Genoa machine, without the certificate that its host handed out.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from attestation_service.endorsement_sources import OnlineSource
from attestation_service.endorsements import UNPROVEN_SECONDS, Endorsements
from attestation_service.errors import AttestationServiceError
from attestation_service.verification import Verification, Verified

from tests.unit.attestation_service.kds import Answer, Kds
from tests.unit.attestation_service.service_bench import NOW, genoa, snp

EVIDENCE, VCEK = genoa()


class Site:
    """A verification against one source, with a clock that the test moves."""

    def __init__(self, *urls: str) -> None:
        self.seconds = 0.0
        sources = [OnlineSource(url) for url in urls]
        self.endorsements = Endorsements({"kds": sources}, monotonic=lambda: self.seconds)
        self.verification = Verification(self.endorsements, {})

    async def verify(self, evidence: Any = EVIDENCE) -> Verified:
        return await self.verification.verify(snp(evidence), NOW)

    async def code(self, evidence: Any = EVIDENCE) -> str:
        try:
            await self.verify(evidence)
        except AttestationServiceError as error:
            return error.code
        return ""


def forged() -> bytes:
    """The real certificate with one bit of its signature flipped."""
    return VCEK[:-1] + bytes([VCEK[-1] ^ 1])


async def test_a26_a_forged_certificate_is_refused_and_does_not_stay() -> None:
    async with Kds(Answer(forged())) as kds:
        site = Site(kds.url)
        assert await site.code() == "SNP-VEK-SIGNATURE"
        kds.answer = Answer(VCEK)
        site.seconds += UNPROVEN_SECONDS
        assert await site.code() == ""
        await site.endorsements.close()


async def test_a26_a_forged_certificate_does_not_replace_a_good_one() -> None:
    async with Kds(Answer(VCEK)) as kds:
        site = Site(kds.url)
        assert await site.code() == ""
        kds.answer = Answer(forged())
        site.seconds += 1e6
        assert await site.code() == ""
        assert len(kds.asked) == 1
        await site.endorsements.close()


async def test_a26_forged_evidence_does_not_make_us_ask_again_and_again() -> None:
    altered = {**EVIDENCE, "attestation_report": {**EVIDENCE["attestation_report"], "guest_svn": 9}}
    async with Kds(Answer(VCEK)) as kds:
        site = Site(kds.url)
        assert {await site.code(altered) for _ in range(20)} == {"SNP-SIGNATURE"}
        assert len(kds.asked) == 1
        assert await site.code() == ""
        await site.endorsements.close()


async def test_a26_an_absent_certificate_is_not_absent_for_ever() -> None:
    async with Kds(Answer(b"", 404)) as kds:
        site = Site(kds.url)
        assert [await site.code() for _ in range(3)] == ["AS-ENDORSEMENT-MISSING"] * 3
        assert len(kds.asked) == 1
        kds.answer = Answer(VCEK)
        site.seconds += UNPROVEN_SECONDS
        assert await site.code() == ""
        await site.endorsements.close()


async def test_a26_a_storm_fails_closed_and_what_is_known_stays_available() -> None:
    async with Kds(Answer(VCEK)) as kds:
        site = Site(kds.url)
        assert await site.code() == ""
        kds.answer = Answer(b"slow down", 429, {"retry-after": "30"})
        report = EVIDENCE["attestation_report"]
        others = [{**EVIDENCE, "attestation_report": {**report, "chip_id": [n] * 64}} for n in range(1, 60)]
        codes = [await site.code(other) for other in others]
        assert set(codes) == {"AS-ENDORSEMENT-UNAVAILABLE"}
        assert len(kds.asked) == 2
        assert await site.code() == ""
        with_its_own = {**EVIDENCE, "cert_chain": [{"cert_type": "VCEK", "data": list(VCEK)}]}
        assert await site.code(with_its_own) == ""
        await site.endorsements.close()


async def test_a26_a_crowd_asks_once() -> None:
    async with Kds(Answer(VCEK)) as kds:
        site = Site(kds.url)
        await asyncio.gather(*(site.verify() for _ in range(32)))
        assert len(kds.asked) == 1
        await site.endorsements.close()


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a26_a_redirect_to_another_host_is_not_followed(status: int) -> None:
    async with Kds(Answer(VCEK)) as other, Kds(Answer(b"", status, {"location": other.url})) as kds:
        site = Site(kds.url)
        assert await site.code() == "AS-ENDORSEMENT-UNAVAILABLE"
        assert other.asked == []
        await site.endorsements.close()


async def test_a26_no_address_is_taken_from_evidence() -> None:
    async with Kds(Answer(VCEK)) as other, Kds(Answer(b"", 404)) as kds:
        site = Site(kds.url)
        for member in ("kds_url", "base_url", "crl", "vcek_url"):
            await site.code({**EVIDENCE, member: other.url})
            await site.code({**EVIDENCE, "attestation_report": {**EVIDENCE["attestation_report"], member: other.url}})
        assert other.asked == []
        assert all(target.startswith("/vcek/v1/Genoa/") for target in kds.asked)
        await site.endorsements.close()


async def test_a26_an_endless_certificate_is_cut_and_refused() -> None:
    async with Kds(Answer(b"\x30" * 8192, endless=True)) as kds:
        site = Site(kds.url)
        assert await site.code() == "AS-ENDORSEMENT-UNAVAILABLE"
        await site.endorsements.close()


async def test_a26_a_lying_cache_in_front_gives_way_to_nothing_else() -> None:
    """The first source that has something is believed to have it; what it says is verified, and refused."""
    async with Kds(Answer(forged())) as lying, Kds(Answer(VCEK)) as honest:
        site = Site(lying.url, honest.url)
        assert await site.code() == "SNP-VEK-SIGNATURE"
        assert honest.asked == []
        await site.endorsements.close()
