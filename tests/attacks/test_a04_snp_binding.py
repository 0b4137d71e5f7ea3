"""A04: evidence that is bound to another key or nonce, or to a part of it only, is refused."""

from __future__ import annotations

import hashlib

import pytest
from attestation_protocol.hashes import HashAlgorithm

from tests.unit.evidence_verifiers.snp_support import judge, machine, refusals

DIGEST = hashlib.sha384(b"nonce and key").digest()
BOUND = machine().evidence(report_data=DIGEST)


def test_a04_the_expected_binding_is_accepted() -> None:
    assert judge(BOUND, report_data=DIGEST).cause is None
    assert judge(BOUND, report_data=DIGEST + bytes(16)).cause is None


@pytest.mark.parametrize(
    "expected",
    [
        b"",
        DIGEST[:47],
        DIGEST[:47] + bytes(1),
        DIGEST + b"\1",
        DIGEST + bytes(15) + b"\1",
        bytes(16) + DIGEST,
        DIGEST[::-1],
        DIGEST.hex().encode(),
        *(algorithm.digest(b"nonce and key") for algorithm in HashAlgorithm if algorithm is not HashAlgorithm.SHA384),
    ],
)
def test_a04_report_data_is_compared_whole(expected: bytes) -> None:
    assert refusals(BOUND, report_data=expected) == ["SNP-REPORT-DATA"]


def test_a04_each_byte_of_the_report_data_counts() -> None:
    for index in range(64):
        field = bytearray(DIGEST.ljust(64, b"\0"))
        field[index] ^= 1
        assert refusals(BOUND, report_data=bytes(field)) == ["SNP-REPORT-DATA"]


def test_a04_what_is_longer_than_the_field_is_not_cut_to_it() -> None:
    whole = machine().evidence(report_data=b"\x42" * 64)
    assert judge(whole, report_data=b"\x42" * 64).cause is None
    assert refusals(whole, report_data=b"\x42" * 65) == ["SNP-REPORT-DATA"]
    assert refusals(whole, report_data=b"\x42" * 64 + b"another key") == ["SNP-REPORT-DATA"]


def test_a04_a_guest_that_was_asked_to_bind_nothing_is_not_bound_to_something() -> None:
    assert refusals(machine().evidence(), report_data=DIGEST) == ["SNP-REPORT-DATA"]
