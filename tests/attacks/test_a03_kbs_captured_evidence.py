"""A03: evidence that was captured elsewhere, or whose report data was chosen, is not taken for a new challenge."""

from __future__ import annotations

import base64

import pytest

from tests.unit.key_broker_service.fakes import code, variant
from tests.unit.key_broker_service.inprocess import Guest, running


async def test_a03_evidence_of_an_earlier_session_is_refused_in_a_new_one() -> None:
    async with running() as broker:
        victim = await Guest(broker).auth()
        captured = victim.evidence()
        assert (await victim.attest(captured)).status == 200
        attacker = await Guest(broker).auth()
        attacker.key = victim.key  # the key is public: it stands in the captured evidence
        replayed = attacker.evidence() | {"tee-evidence": captured["tee-evidence"]}
        response = await attacker.attest(replayed)
        assert (variant(response), code(response)) == ("AttestationError", "SAMPLE-REPORT-DATA")


@pytest.mark.parametrize("report_data", [b"", b"\0" * 48, b"\0" * 64, b"chosen by the issuer".ljust(48)])
async def test_a03_report_data_that_is_not_the_digest_is_refused(report_data: bytes) -> None:
    async with running() as broker:
        guest = await Guest(broker).auth()
        body = guest.evidence()
        body["tee-evidence"]["primary_evidence"]["report_data"] = base64.b64encode(report_data).decode()
        response = await guest.attest(body)
        assert (response.status, variant(response), code(response)) == (401, "AttestationError", "SAMPLE-REPORT-DATA")
