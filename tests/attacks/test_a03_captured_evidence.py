"""A03: genuine evidence that was taken for another purpose, with report data of its own, answers no challenge.

The evidence is that of a real Milan machine: every signature in it is good, and it is public.
"""

from __future__ import annotations

import pytest
from attestation_protocol.hashes import HashAlgorithm
from attestation_service.contract import RawRuntimeData, StructuredRuntimeData
from attestation_service.errors import AttestationServiceError

from tests.unit.attestation_service.service_bench import make_bench, milan, snp

CAPTURED = milan()
REPORT_DATA = bytes(CAPTURED["attestation_report"]["report_data"])
CHALLENGE = {"nonce": "bm9uY2U=", "tee-pubkey": {"kty": "EC", "x": "a", "y": "b"}, "additional-evidence": ""}


async def code(
    runtime_data: RawRuntimeData | StructuredRuntimeData, algorithm: HashAlgorithm = HashAlgorithm.SHA384
) -> str:
    bench = await make_bench()
    try:
        await bench.service.evaluate([snp(CAPTURED, runtime_data=runtime_data, runtime_data_hash=algorithm)])
    except AttestationServiceError as error:
        return error.code
    return ""


async def test_a03_captured_evidence_is_genuine_for_whom_it_was_taken() -> None:
    assert await code(RawRuntimeData(REPORT_DATA)) == ""


@pytest.mark.parametrize("algorithm", HashAlgorithm)
async def test_a03_captured_evidence_does_not_answer_a_challenge(algorithm: HashAlgorithm) -> None:
    assert await code(StructuredRuntimeData(CHALLENGE), algorithm) == "SNP-REPORT-DATA"


async def test_a03_its_report_data_is_no_digest_of_itself() -> None:
    assert await code(StructuredRuntimeData({"report_data": REPORT_DATA.hex()})) == "SNP-REPORT-DATA"
