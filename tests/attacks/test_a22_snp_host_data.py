"""A22: host data that is zero, cut or of another algorithm does not waive the init-data check."""

from __future__ import annotations

import hashlib

import pytest

from tests.unit.evidence_verifiers.snp_support import judge, machine, refusals

INIT_DATA = b'version = "0.1.0"\nalgorithm = "sha256"\n[data]\n'
SHA256, SHA384 = hashlib.sha256(INIT_DATA).digest(), hashlib.sha384(INIT_DATA).digest()


def test_a22_the_digest_is_compared_as_the_field_holds_it() -> None:
    assert judge(machine().evidence(host_data=SHA256), init_data=SHA256).cause is None
    assert judge(machine().evidence(host_data=SHA384[:32]), init_data=SHA384).cause is None


def test_a22_zero_host_data_waives_nothing() -> None:
    for digest in (SHA256, SHA384):
        assert refusals(machine().evidence(host_data=bytes(32)), init_data=digest) == ["SNP-HOST-DATA"]


@pytest.mark.parametrize(
    "expected",
    [
        SHA384,
        SHA256[:31],
        SHA256[:16],
        SHA256[::-1],
        SHA256.hex().encode(),
        bytes(32),
        b"",
        hashlib.sha256(INIT_DATA + b"\n").digest(),
        hashlib.sha256(INIT_DATA.upper()).digest(),
    ],
)
def test_a22_other_digests_are_refused(expected: bytes) -> None:
    assert refusals(machine().evidence(host_data=SHA256), init_data=expected) == ["SNP-HOST-DATA"]


def test_a22_each_byte_of_the_host_data_counts() -> None:
    for index in range(32):
        altered = SHA256[:index] + bytes((SHA256[index] ^ 1,)) + SHA256[index + 1 :]
        assert refusals(machine().evidence(host_data=altered), init_data=SHA256) == ["SNP-HOST-DATA"]


def test_a22_expecting_no_init_data_refuses_a_guest_that_has_some() -> None:
    assert judge(machine().evidence(), init_data=bytes(32)).cause is None
    assert refusals(machine().evidence(host_data=SHA256), init_data=bytes(32)) == ["SNP-HOST-DATA"]
