"""A02, A04: evidence made for one nonce and key is shown with another; what is bound is bound whole.

The service keeps no state: freshness is the caller's nonce, which the report data must bind together with the key.
"""

from __future__ import annotations

import base64
import hashlib

import pytest
from attestation_protocol.canonical_json import canonical_json
from attestation_protocol.hashes import HashAlgorithm
from attestation_service.contract import EvidenceRequest, RawRuntimeData, StructuredRuntimeData
from attestation_service.errors import AttestationServiceError

from tests.unit.attestation_service.service_bench import make_bench, milan, sample, snp

BOUND = {"nonce": "bm9uY2U=", "tee-pubkey": {"kty": "EC", "x": "a"}, "additional-evidence": ""}
REPORT_DATA = bytes(milan()["attestation_report"]["report_data"])


def evidence(runtime: object = BOUND, algorithm: str = "sha384") -> str:
    return base64.b64encode(hashlib.new(algorithm, canonical_json(runtime)).digest()).decode()


async def code(request: EvidenceRequest) -> str:
    bench = await make_bench()
    try:
        await bench.service.evaluate([request])
    except AttestationServiceError as error:
        return error.code
    return ""


async def test_a02_evidence_is_good_for_its_own_nonce_only() -> None:
    assert await code(sample(evidence(), runtime_data=StructuredRuntimeData(BOUND))) == ""
    other = {**BOUND, "nonce": "b3RoZXI="}
    assert await code(sample(evidence(), runtime_data=StructuredRuntimeData(other))) == "SAMPLE-REPORT-DATA"


async def test_a04_a_swapped_tee_key_is_refused() -> None:
    other = {**BOUND, "tee-pubkey": {"kty": "EC", "x": "b"}}
    assert await code(sample(evidence(), runtime_data=StructuredRuntimeData(other))) == "SAMPLE-REPORT-DATA"


async def test_a04_swapped_device_evidence_is_refused() -> None:
    other = {**BOUND, "additional-evidence": '{"sampledevice":{}}'}
    assert await code(sample(evidence(), runtime_data=StructuredRuntimeData(other))) == "SAMPLE-REPORT-DATA"


@pytest.mark.parametrize("size", [1, 32, 47])
async def test_a04_a_part_of_the_digest_is_not_enough(size: int) -> None:
    short = base64.b64encode(base64.b64decode(evidence())[:size]).decode()
    assert await code(sample(short, runtime_data=StructuredRuntimeData(BOUND))) == "SAMPLE-REPORT-DATA"


async def test_a04_the_digest_of_another_algorithm_is_not_enough() -> None:
    request = sample(evidence(algorithm="sha256"), runtime_data=StructuredRuntimeData(BOUND))
    assert await code(request) == "SAMPLE-REPORT-DATA"


async def test_a04_no_report_data_binds_nothing() -> None:
    assert await code(sample("", runtime_data=StructuredRuntimeData(BOUND))) == "SAMPLE-REPORT-DATA"


async def test_a04_every_byte_of_real_report_data_counts() -> None:
    assert await code(snp(runtime_data=RawRuntimeData(REPORT_DATA))) == ""
    for position in range(64):
        altered = bytearray(REPORT_DATA)
        altered[position] ^= 1
        assert await code(snp(runtime_data=RawRuntimeData(bytes(altered)))) == "SNP-REPORT-DATA"


@pytest.mark.parametrize("more", [b"\0", b"another key"])
async def test_a04_what_does_not_fit_into_the_field_is_not_taken_for_bound(more: bytes) -> None:
    assert await code(snp(runtime_data=RawRuntimeData(REPORT_DATA + more))) == "AS-RUNTIME-DATA"


async def test_a04_nothing_is_not_taken_for_zeros() -> None:
    assert await code(snp(runtime_data=RawRuntimeData(b""))) == "AS-RUNTIME-DATA"


async def test_a04_numbers_that_two_readers_round_differently_bind_nothing() -> None:
    runtime = StructuredRuntimeData({"nonce": 2**53 + 1})
    request = sample("", runtime_data=runtime, runtime_data_hash=HashAlgorithm.SHA256)
    assert await code(request) == "JSON-CANONICAL"
