"""Messages of `grpc-as` into requests: both generations, what is left out, and what is refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from attestack_common.grpc_edge import Refusal, Status
from attestation_protocol.hashes import HashAlgorithm
from attestation_protocol.stubs.attestation_pb2 import (
    AttestationRequest,
    ChallengeRequest,
    IndividualAttestationRequest,
    SetPolicyRequest,
)
from attestation_protocol.stubs.older_attestation_pb2 import OlderAttestationRequest
from attestation_protocol.tee import Tee
from attestation_service.contract import RawRuntimeData, StructuredInitData, StructuredRuntimeData
from attestation_service.errors import RequestError
from attestation_service.grpc_requests import TEES, parse_attestation, parse_challenge, parse_policy
from hypothesis import given
from hypothesis import strategies as st

TOML = 'version = "0.1.0"\nalgorithm = "sha384"\n[data]\na = "b"\n'


def b64(data: Any) -> str:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


EVIDENCE = b64({"svn": "1"})


def composite(*policy_ids: str, **fields: Any) -> bytes:
    individual = IndividualAttestationRequest(**{"tee": "sample", "evidence": EVIDENCE} | fields)
    return AttestationRequest(verification_requests=[individual], policy_ids=policy_ids).SerializeToString()


def older(**fields: Any) -> bytes:
    return OlderAttestationRequest(**{"tee": "sample", "evidence": EVIDENCE} | fields).SerializeToString()


def refusal(message: bytes) -> RequestError:
    with pytest.raises(RequestError) as caught:
        parse_attestation(message)
    assert len(caught.value.layers) == 1
    return caught.value


@pytest.mark.parametrize("make", [composite, older])
def test_what_is_left_out_has_its_default(make: Any) -> None:
    (request,), policy_ids = parse_attestation(make())
    assert (request.tee, request.evidence) == (Tee.SAMPLE, {"svn": "1"})
    assert (request.runtime_data, request.init_data) == (None, None)
    assert request.runtime_data_hash is HashAlgorithm.SHA384
    assert policy_ids == []


@pytest.mark.parametrize("make", [composite, older])
def test_runtime_data_of_both_kinds(make: Any) -> None:
    (request,), _ = parse_attestation(make(raw_runtime_data=b64(b"nonce"), runtime_data_hash_algorithm="SHA512"))
    assert request.runtime_data == RawRuntimeData(b"nonce")
    assert request.runtime_data_hash is HashAlgorithm.SHA512
    (request,), _ = parse_attestation(make(structured_runtime_data='{"b":1}'))
    assert request.runtime_data == StructuredRuntimeData({"b": 1})
    (request,), _ = parse_attestation(make(raw_runtime_data=""))
    assert request.runtime_data == RawRuntimeData(b"")  # present and empty is not absent


def test_init_data_of_the_composite_form() -> None:
    (request,), _ = parse_attestation(composite(init_data_digest=b64(bytes(32))))
    assert request.init_data == bytes(32)
    (request,), _ = parse_attestation(composite(init_data_toml=TOML))
    assert request.init_data.text == TOML  # type: ignore[union-attr]


def test_init_data_of_the_older_form() -> None:
    (request,), _ = parse_attestation(older(raw_init_data=b64(bytes(48))))
    assert request.init_data == bytes(48)
    (request,), _ = parse_attestation(older(structured_init_data='{"a":1}', init_data_hash_algorithm="sha256"))
    assert request.init_data == StructuredInitData({"a": 1}, HashAlgorithm.SHA256)


def test_several_pieces_and_policies_keep_their_order() -> None:
    individual = [IndividualAttestationRequest(tee=tee, evidence=EVIDENCE) for tee in ("snp", "tdx")]
    message = AttestationRequest(verification_requests=individual, policy_ids=["a", "b"]).SerializeToString()
    requests, policy_ids = parse_attestation(message)
    assert [request.tee for request in requests] == [Tee.SNP, Tee.TDX]
    assert policy_ids == ["a", "b"]
    assert parse_attestation(older(policy_ids=["c"]))[1] == ["c"]


@pytest.mark.parametrize(("spelt", "tee"), [("azsnpvtpm", Tee.AZ_SNP_VTPM), ("aztdxvtpm", Tee.AZ_TDX_VTPM)])
def test_names_of_older_releases(spelt: str, tee: Tee) -> None:
    (request,), _ = parse_attestation(older(tee=spelt))
    assert request.tee is tee
    assert refusal(composite(tee=spelt)).code == "TEE-UNKNOWN"


def test_the_names_that_are_taken_are_upstreams() -> None:
    names = "az-snp-vtpm, az-tdx-vtpm, cca, csv, hygondcu, nvidia, sample, se, sgx, snp, tdx, tpm"
    assert ", ".join(sorted(TEES)) == names


@pytest.mark.parametrize("make", [composite, older])
@pytest.mark.parametrize(
    ("fields", "text", "code"),
    [
        ({"tee": "nosuch"}, "parse TEE type: Unsupported TEE type: nosuch", "TEE-UNKNOWN"),
        ({"tee": "sampledevice"}, "parse TEE type: Unsupported TEE type: sampledevice", "TEE-UNKNOWN"),
        ({"tee": "nvidia-dpu"}, "parse TEE type: Unsupported TEE type: nvidia-dpu", "TEE-UNKNOWN"),
        ({"tee": "nvidiadpu"}, "parse TEE type: Unsupported TEE type: nvidiadpu", "TEE-UNKNOWN"),
        ({"evidence": "!"}, "Illegal input Evidence: Invalid symbol 33, offset 0.", "BASE64URL"),
        ({"evidence": "eyJ9=="}, "Illegal input Evidence: Invalid padding", "BASE64URL"),
        ({"evidence": b64(b"{")}, "failed to parse tee evidence: ", "JSON"),
        ({"evidence": ""}, "failed to parse tee evidence: EOF while parsing a value at line 1 column 0", "JSON"),
        ({"evidence": b64(b'{"a":1,"a":2}')}, "failed to parse tee evidence: ", "JSON-DUPLICATE"),
        ({"raw_runtime_data": "!"}, "base64 decode runtime data: Invalid symbol 33, offset 0.", "BASE64URL"),
        (
            {"structured_runtime_data": "x"},
            "parse structured runtime data: expected value at line 1 column 1",
            "JSON",
        ),
        (
            {"runtime_data_hash_algorithm": "md5"},
            "parse runtime data HashAlgorithm failed: Matching variant not found",
            "HASH-ALGORITHM",
        ),
    ],
)
def test_what_does_not_decode_is_said_in_upstreams_words(
    make: Any, fields: dict[str, str], text: str, code: str
) -> None:
    error = refusal(make(**fields))
    assert error.layers[0].startswith(text), error.layers
    assert error.code == code


@pytest.mark.parametrize(
    ("message", "text", "code"),
    [
        (composite(init_data_digest="!"), "base64 decode init data: Invalid symbol 33, offset 0.", "BASE64URL"),
        (older(raw_init_data="!"), "base64 decode init data: Invalid symbol 33, offset 0.", "BASE64URL"),
        (
            composite(init_data_toml="version = 1"),
            "Attestation evaluation failed: \n0: parse init data\n1: parse TOML structured data\n2: ",
            "INIT-DATA",
        ),
        (older(structured_init_data="x"), "parse structured init data: expected value at line 1 column 1", "JSON"),
        (
            older(structured_init_data="1", init_data_hash_algorithm="md5"),
            "parse init data HashAlgorithm failed: Matching variant not found",
            "HASH-ALGORITHM",
        ),
    ],
)
def test_init_data_that_does_not_decode(message: bytes, text: str, code: str) -> None:
    error = refusal(message)
    assert error.layers[0].startswith(text), error.layers
    assert error.code == code


def test_a_tee_that_is_a_number_is_refused_by_name() -> None:
    error = refusal(b"\x08\x05\x12\x02e30")
    assert error.code == "AS-REQUEST-GENERATION"
    assert error.layers[0].startswith("parse TEE type: ")


def test_a_tee_of_any_length_makes_a_short_text() -> None:
    assert len(refusal(older(tee="a" * 100_000)).layers[0]) < 120


@pytest.mark.parametrize("parse", [parse_attestation, parse_policy, parse_challenge])
@pytest.mark.parametrize("message", [b"\x0a\x05ab", b"\xff\xff", b"\x0a\x02\xff\xfe"])
def test_a_message_that_does_not_decode_is_internal(parse: Any, message: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        parse(message)
    assert (caught.value.status, caught.value.text[:35]) == (Status.INTERNAL, "failed to decode Protobuf message (")


def test_a_policy_is_passed_on_as_it_came() -> None:
    message = SetPolicyRequest(policy_id="../x", policy="!").SerializeToString()
    assert parse_policy(message) == ("../x", "!")


@pytest.mark.parametrize(
    ("inner", "text", "code"),
    [
        ({}, "Error parse inner_tee tee", "AS-CHALLENGE"),
        ({"tee_params": ""}, "Error parse inner_tee tee", "AS-CHALLENGE"),
        ({"tee": "sample"}, "Error parse inner_tee tee_params", "AS-CHALLENGE"),
        ({"tee": "nosuch", "tee_params": ""}, "Error parse TEE type: Unsupported TEE type: nosuch", "TEE-UNKNOWN"),
    ],
)
def test_a_challenge_names_what_it_lacks(inner: dict[str, str], text: str, code: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_challenge(ChallengeRequest(inner=inner).SerializeToString())
    assert (caught.value.layers, caught.value.code) == ((text,), code)


def test_a_challenge_is_read() -> None:
    message = ChallengeRequest(inner={"tee": "se", "tee_params": "{}", "more": "x"}).SerializeToString()
    assert parse_challenge(message) == (Tee.SE, "{}")


@given(st.binary(max_size=300))
def test_any_message_is_read_or_refused(message: bytes) -> None:
    for parse in (parse_attestation, parse_policy, parse_challenge):
        try:
            parse(message)
        except (RequestError, Refusal) as error:
            assert str(error)  # noqa: PT017  # either outcome is right


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_any_texts_are_read_or_refused(tee: str, evidence: str, runtime_data: str, init_data: str) -> None:
    messages = [
        composite(tee=tee, evidence=evidence, structured_runtime_data=runtime_data, init_data_toml=init_data),
        older(tee=tee, evidence=evidence, structured_runtime_data=runtime_data, structured_init_data=init_data),
        composite(structured_runtime_data=runtime_data, init_data_toml=init_data),
    ]
    for message in messages:
        try:
            parse_attestation(message)
        except (RequestError, Refusal) as error:
            assert str(error)  # noqa: PT017  # either outcome is right
