"""Requests of both generations, and every way in which one can be wrong."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from attestation_protocol.hashes import HashAlgorithm
from attestation_protocol.init_data import InitData
from attestation_protocol.tee import Tee
from attestation_service.contract import EvidenceRequest, RawRuntimeData, StructuredInitData, StructuredRuntimeData
from attestation_service.errors import BodyError, RequestError
from attestation_service.rest_requests import parse_attestation, parse_challenge, parse_policy
from hypothesis import given
from hypothesis import strategies as st

TOML = 'version = "0.1.0"\nalgorithm = "sha384"\n[data]\na = "b"\n'
VERIFICATION = {"tee": "sample", "evidence": base64.urlsafe_b64encode(b'{"svn":"1"}').decode().rstrip("=")}


def body(document: Any) -> bytes:
    return json.dumps(document).encode()


def current(**members: Any) -> bytes:
    return body({"verification_requests": [{**VERIFICATION, **members}], "policy_ids": []})


def older(**members: Any) -> bytes:
    return body({**VERIFICATION, **members})


def one(data: bytes) -> EvidenceRequest:
    (request,), _ = parse_attestation(data)
    return request


def refused(data: bytes) -> RequestError:
    with pytest.raises(RequestError) as caught:
        parse_attestation(data)
    return caught.value


def test_the_least_request_expects_nothing() -> None:
    request = one(current())
    assert request == EvidenceRequest(Tee.SAMPLE, {"svn": "1"}, None, HashAlgorithm.SHA384, None)


def test_several_pieces_of_evidence_stay_in_order() -> None:
    document = {
        "verification_requests": [VERIFICATION, {**VERIFICATION, "tee": "sampledevice"}],
        "policy_ids": ["a", "b"],
    }
    requests, policy_ids = parse_attestation(body(document))
    assert [request.tee for request in requests] == [Tee.SAMPLE, Tee.SAMPLE_DEVICE]
    assert policy_ids == ["a", "b"]


def test_no_evidence_at_all_is_for_the_service_to_refuse() -> None:
    assert parse_attestation(b'{"verification_requests":[],"policy_ids":[]}') == ([], [])


@pytest.mark.parametrize("form", [current, older])
def test_runtime_data_in_both_forms(form: Any) -> None:
    assert one(form(runtime_data={"raw": "YWFhCg"})).runtime_data == RawRuntimeData(b"aaa\n")
    assert one(form(runtime_data={"structured": [1]})).runtime_data == StructuredRuntimeData([1])
    assert one(form(runtime_data=None)).runtime_data is None
    assert one(form(runtime_data_hash_algorithm="SHA512")).runtime_data_hash is HashAlgorithm.SHA512
    assert one(form(runtime_data_hash_algorithm=None)).runtime_data_hash is HashAlgorithm.SHA384


def test_init_data_of_the_current_form() -> None:
    assert one(current(init_data={"init_data_digest": "ERERERERERERERERERERERERERERERERERERERERERE"})).init_data == (
        b"\x11" * 32
    )
    assert one(current(init_data={"init_data_toml": TOML})).init_data == InitData.parse(TOML)


def test_init_data_of_the_older_form() -> None:
    assert one(older(init_data={"raw": "YWFhCg"})).init_data == b"aaa\n"
    structured = one(older(init_data={"structured": {"a": 1}}, init_data_hash_algorithm="sha256")).init_data
    assert structured == StructuredInitData({"a": 1}, HashAlgorithm.SHA256)
    assert one(older(init_data={"structured": {}})).init_data == StructuredInitData({}, HashAlgorithm.SHA384)


def test_the_older_form_needs_no_policy_ids() -> None:
    assert parse_attestation(older())[1] == []
    assert parse_attestation(older(policy_ids=["default"]))[1] == ["default"]


@pytest.mark.parametrize(
    ("name", "tee"), [("azsnpvtpm", Tee.AZ_SNP_VTPM), ("aztdxvtpm", Tee.AZ_TDX_VTPM), ("snp", Tee.SNP)]
)
def test_the_older_form_has_older_names(name: str, tee: Tee) -> None:
    assert one(older(tee=name)).tee is tee


def test_the_older_names_are_unknown_in_the_current_form() -> None:
    assert refused(current(tee="azsnpvtpm")).layers == ("tee `azsnpvtpm not supported`",)


def test_unknown_members_are_ignored() -> None:
    assert one(current(extra=1)) == one(current())
    assert one(older(type="x")) == one(older())


@pytest.mark.parametrize("form", [current, older])
@pytest.mark.parametrize(
    ("members", "code", "layers"),
    [
        ({"tee": "nosuch"}, "TEE-UNKNOWN", ("tee `nosuch not supported`",)),
        ({"tee": "sev"}, "TEE-UNKNOWN", ("tee `sev not supported`",)),
        ({"evidence": "!!!"}, "BASE64URL", ("base64 decode evidence", "Invalid symbol 33, offset 0.")),
        ({"evidence": "YWFhCg=="}, "BASE64URL", ("base64 decode evidence", "Invalid padding")),
        ({"evidence": "eA"}, "JSON", ("failed to parse evidence as JSON", "expected value at line 1 column 1")),
        (
            {"runtime_data": {"raw": "="}},
            "BASE64URL",
            ("decode given Runtime Data", "base64 decode raw runtime data", "Invalid padding"),
        ),
        (
            {"runtime_data_hash_algorithm": "md5"},
            "HASH-ALGORITHM",
            ("parse runtime data HashAlgorithm failed", "Matching variant not found"),
        ),
        (
            {"runtime_data_hash_algorithm": ""},
            "HASH-ALGORITHM",
            ("parse runtime data HashAlgorithm failed", "Matching variant not found"),
        ),
    ],
)
def test_values_that_do_not_decode_are_refused_in_the_recorded_words(
    form: Any, members: dict[str, Any], code: str, layers: tuple[str, ...]
) -> None:
    error = refused(form(**members))
    assert not isinstance(error, BodyError)
    assert (error.code, error.layers) == (code, layers)


def test_init_data_that_does_not_decode_is_refused() -> None:
    assert refused(current(init_data={"init_data_digest": "!"})).layers[0] == "decode given Init Data"
    assert refused(older(init_data={"raw": "!"})).code == "BASE64URL"
    toml = refused(current(init_data={"init_data_toml": "version = 1"}))
    assert toml.code == "INIT-DATA"
    assert toml.layers[:3] == ("attestation report evaluate", "parse init data", "parse TOML structured data")
    hashed = refused(older(init_data={"structured": 1}, init_data_hash_algorithm="md5"))
    assert hashed.layers[0] == "parse init data HashAlgorithm failed"


def test_evidence_with_a_member_twice_is_refused() -> None:
    evidence = base64.urlsafe_b64encode(b'{"svn":"1","svn":"2"}').decode().rstrip("=")
    error = refused(current(evidence=evidence))
    assert error.code == "JSON-DUPLICATE"
    assert error.layers == ("failed to parse evidence as JSON", "a JSON object has a member twice")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"junk", "expected value at line 1 column 1"),
        (b"", "EOF while parsing a value at line 1 column 0"),
        (b"[]", "invalid type: expected an object in the body"),
        (b"{}", "missing field `verification_requests` at line 1 column 2"),
        (b'{"verification_requests":[]}', "missing field `policy_ids` at line 1 column 28"),
        (b'{"verification_requests":1}', "invalid type: expected an array in verification_requests"),
        (b'{"verification_requests":[],"policy_ids":1}', "invalid type: expected an array in policy_ids"),
        (b'{"verification_requests":[],"policy_ids":[1]}', "invalid type: expected an array of strings in policy_ids"),
        (b'{"verification_requests":[1],"policy_ids":[]}', "expected an object in verification_requests[0]"),
        (b'{"verification_requests":[{}],"policy_ids":[]}', "missing field `tee` in verification_requests[0]"),
        (current(tee=1), "expected a string in verification_requests[0].tee"),
        (current(evidence=None), "expected a string in verification_requests[0].evidence"),
        (current(runtime_data=1), "in verification_requests[0].runtime_data"),
        (current(runtime_data={"raw": "", "structured": 1}), "in verification_requests[0].runtime_data"),
        (current(runtime_data={"toml": ""}), "unknown variant `toml`, expected `raw` or `structured`"),
        (current(runtime_data={"raw": 1}), "expected a string in verification_requests[0].runtime_data.raw"),
        (current(runtime_data_hash_algorithm=1), "expected a string in verification_requests[0].runtime_data_hash"),
        (current(init_data={"raw": ""}), "unknown variant `raw`, expected `init_data_digest` or `init_data_toml`"),
        (older(init_data={"init_data_toml": ""}), "unknown variant `init_data_toml`, expected `raw` or `structured`"),
        (older(policy_ids={}), "expected an array of strings in policy_ids"),
        (older(evidence=1), "expected a string in evidence"),
        (b'{"tee":"snp"}', "missing field `evidence`"),
    ],
)
def test_a_body_of_another_shape_is_answered_400(data: bytes, message: str) -> None:
    error = refused(data)
    assert isinstance(error, BodyError)
    assert not error.unread
    assert error.message.startswith("Json deserialize error: ")
    assert message in error.message


def test_a_policy() -> None:
    assert parse_policy(b'{"type":"rego","policy_id":"mine","policy":"eA"}') == ("mine", "eA")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"policy":"eA"}', "Json deserialize error: missing field `policy_id` at line 1 column 15"),
        (b'{"policy_id":"x"}', "Json deserialize error: missing field `policy` at line 1 column 17"),
        (b'{"policy_id":1,"policy":""}', "Json deserialize error: invalid type: expected a string in policy_id"),
    ],
)
def test_a_policy_of_another_shape_is_answered_400(data: bytes, message: str) -> None:
    with pytest.raises(BodyError) as caught:
        parse_policy(data)
    assert caught.value.message == message


def test_a_challenge() -> None:
    assert parse_challenge(b'{"tee":"sample","tee_params":"","more":"x"}') == (Tee.SAMPLE, "")


@pytest.mark.parametrize(
    ("data", "code", "layer"),
    [
        (b"{}", "AS-CHALLENGE", "Failed to get inner tee"),
        (b'{"tee":"nosuch"}', "AS-CHALLENGE", "Failed to get inner tee_params"),
        (b'{"tee":"nosuch","tee_params":""}', "TEE-UNKNOWN", "tee `nosuch not supported`"),
        (b'{"tee":1}', "AS-BODY", "Json deserialize error: invalid type: expected a string in tee"),
    ],
)
def test_a_challenge_that_lacks_something_is_refused(data: bytes, code: str, layer: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_challenge(data)
    assert (caught.value.code, caught.value.layers) == (code, (layer,))


@given(st.binary(max_size=200))
def test_any_bytes_parse_or_raise_the_one_error(data: bytes) -> None:
    for parse in (parse_attestation, parse_policy, parse_challenge):
        try:
            parse(data)
        except RequestError:
            continue


MEMBERS = ("tee", "evidence", "runtime_data", "init_data", "runtime_data_hash_algorithm", "policy_ids")
VALUES = st.none() | st.text(max_size=8) | st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=2)


@given(st.dictionaries(st.sampled_from(MEMBERS), VALUES))
def test_any_members_parse_or_raise_the_one_error(members: dict[str, Any]) -> None:
    for data in (body(members), body({"verification_requests": [members], "policy_ids": []})):
        try:
            parse_attestation(data)
        except RequestError:
            continue
