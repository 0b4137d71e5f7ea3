"""A22: zero or absent host data waives the init-data check; digests of odd length, algorithm or case.

The Milan machine was launched without init-data: its host data is 32 zero bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from attestation_service.errors import AttestationServiceError
from attestation_service.rest_requests import parse_attestation

from tests.unit.attestation_service.service_bench import make_bench, milan

EVIDENCE = base64.urlsafe_b64encode(json.dumps(milan()).encode()).decode().rstrip("=")
TOML = 'version = "0.1.0"\nalgorithm = "{}"\n[data]\na = "b"\n'


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


async def code(init_data: Any) -> str:
    body = {"verification_requests": [{"tee": "snp", "evidence": EVIDENCE, "init_data": init_data}], "policy_ids": []}
    bench = await make_bench()
    try:
        requests, policy_ids = parse_attestation(json.dumps(body).encode())
        await bench.service.evaluate(requests, policy_ids)
    except AttestationServiceError as error:
        return error.code
    return ""


async def test_a22_without_init_data_nothing_is_compared() -> None:
    assert await code(None) == ""


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512", "sm3"])
async def test_a22_zero_host_data_is_not_the_digest_of_a_document(algorithm: str) -> None:
    assert await code({"init_data_toml": TOML.format(algorithm)}) == "SNP-HOST-DATA"


@pytest.mark.parametrize("algorithm", ["", "SHA256", "sha-256", "sha1", "md5", "none"])
async def test_a22_an_algorithm_that_is_not_named_exactly_is_refused(algorithm: str) -> None:
    assert await code({"init_data_toml": TOML.format(algorithm)}) == "INIT-DATA"


@pytest.mark.parametrize("size", [0, 1, 16, 31, 33, 63, 65, 128])
async def test_a22_zeros_of_any_other_length_do_not_equal_zero_host_data(size: int) -> None:
    assert await code({"init_data_digest": b64url(bytes(size))}) == "AS-INIT-DATA-DIGEST"


@pytest.mark.parametrize("size", [32, 48, 64])
async def test_a22_every_byte_of_a_digest_that_fits_the_field_counts(size: int) -> None:
    for position in range(32):
        digest = bytearray(size)
        digest[position] = 1
        assert await code({"init_data_digest": b64url(bytes(digest))}) == "SNP-HOST-DATA"


async def test_a22_a_digest_in_hex_or_with_padding_is_not_read_as_one() -> None:
    digest = hashlib.sha256(b"x")
    assert await code({"init_data_digest": digest.hexdigest()}) == "SNP-HOST-DATA"
    assert await code({"init_data_digest": base64.urlsafe_b64encode(digest.digest()).decode()}) == "BASE64URL"


@pytest.mark.parametrize("init_data", [{}, {"init_data_digest": None}, {"init_data_toml": None}, [], "", 0, False])
async def test_a22_a_malformed_expectation_is_not_taken_for_none(init_data: Any) -> None:
    assert await code(init_data) == "AS-BODY"
