"""What evidence must be bound to: each form of runtime data and init-data, and what binds nothing."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from attestation_protocol.hashes import HashAlgorithm
from attestation_protocol.init_data import InitData
from attestation_protocol.tee import Tee
from attestation_service.binding import binding_of
from attestation_service.contract import EvidenceRequest, RawRuntimeData, StructuredInitData, StructuredRuntimeData
from attestation_service.errors import RequestError
from evidence_verifiers.contract import Expected

VALUE = {"b": 1, "a": "test", "c": {"d": "e"}}
CANONICAL = b'{"a":"test","b":1,"c":{"d":"e"}}'
TOML = 'version = "0.1.0"\nalgorithm = "sha256"\n[data]\na = "b"\n'


def request(**members: Any) -> EvidenceRequest:
    return EvidenceRequest(members.pop("tee", Tee.SNP), {}, **members)


def refused(**members: Any) -> str:
    with pytest.raises(RequestError) as caught:
        binding_of(request(**members))
    return caught.value.code


def test_nothing_given_expects_nothing() -> None:
    binding = binding_of(request())
    assert binding.expected == Expected(None, None)
    assert binding.runtime_data_claims is None
    assert binding.init_data_claims is None


def test_structured_runtime_data_is_hashed_in_canonical_form() -> None:
    binding = binding_of(request(runtime_data=StructuredRuntimeData(VALUE)))
    assert binding.expected.report_data == bytes.fromhex(
        "e71ce8e70d814ba6639c3612ebee0ff1f76f650f8dbb5e47157e0f3f525cd22c4597480a186427c813ca941da78870c3"
    )
    assert binding.runtime_data_claims == VALUE


def test_the_hash_of_runtime_data_is_the_callers() -> None:
    binding = binding_of(request(runtime_data=StructuredRuntimeData(VALUE), runtime_data_hash=HashAlgorithm.SHA512))
    assert binding.expected.report_data == hashlib.sha512(CANONICAL).digest()


def test_raw_runtime_data_is_never_hashed() -> None:
    binding = binding_of(request(runtime_data=RawRuntimeData(b"raw bytes")))
    assert binding.expected.report_data == b"raw bytes"
    assert binding.runtime_data_claims is None


@pytest.mark.parametrize("size", [0, 65, 96])
def test_raw_runtime_data_that_would_be_compared_in_part_or_not_at_all_is_refused(size: int) -> None:
    assert refused(runtime_data=RawRuntimeData(bytes(size))) == "AS-RUNTIME-DATA"


def test_sample_evidence_is_compared_whole_so_its_raw_runtime_data_may_be_long() -> None:
    long = RawRuntimeData(bytes(96))
    assert binding_of(request(tee=Tee.SAMPLE, runtime_data=long)).expected.report_data == bytes(96)
    assert refused(tee=Tee.SAMPLE, runtime_data=RawRuntimeData(b"")) == "AS-RUNTIME-DATA"


def test_numbers_that_peers_round_differently_are_refused() -> None:
    assert refused(runtime_data=StructuredRuntimeData({"n": 2**53 + 1})) == "JSON-CANONICAL"
    assert refused(init_data=StructuredInitData({"n": 2**53 + 1}, HashAlgorithm.SHA256)) == "JSON-CANONICAL"


def test_an_init_data_document_is_hashed_as_it_stands_with_its_own_algorithm() -> None:
    binding = binding_of(request(init_data=InitData.parse(TOML)))
    assert binding.expected.init_data == hashlib.sha256(TOML.encode()).digest()
    assert binding.init_data_claims == {"a": "b"}


def test_structured_init_data_of_older_requests_is_hashed_in_canonical_form() -> None:
    binding = binding_of(request(init_data=StructuredInitData(VALUE, HashAlgorithm.SHA256)))
    assert binding.expected.init_data == hashlib.sha256(CANONICAL).digest()
    assert binding.init_data_claims == VALUE


@pytest.mark.parametrize("size", [32, 48, 64])
def test_a_bare_digest_is_taken_as_it_is(size: int) -> None:
    binding = binding_of(request(init_data=b"\x11" * size))
    assert binding.expected.init_data == b"\x11" * size
    assert binding.init_data_claims is None


@pytest.mark.parametrize("size", [0, 1, 31, 33, 47, 63, 65])
def test_a_digest_of_another_length_is_refused(size: int) -> None:
    assert refused(init_data=bytes(size)) == "AS-INIT-DATA-DIGEST"
