"""RCAR messages: the recorded ones are understood and written again byte for byte; near ones are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from attestation_protocol.encoding import b64std_encode
from attestation_protocol.errors import MessageError
from attestation_protocol.hashes import HashAlgorithm
from attestation_protocol.jwk import EcTeeKey
from attestation_protocol.rcar import (
    Attestation,
    Challenge,
    Request,
    Response,
    RuntimeData,
    VersionMismatchError,
    check_version,
    report_data,
)
from attestation_protocol.tee import Tee
from hypothesis import given
from hypothesis import strategies as st

from tests.conformance.recordings import http_recording

STOCK = http_recording("stock/agent-token").steps
KEY = {"kty": "EC", "crv": "P-256", "alg": "ECDH-ES+A256KW", "x": "eA", "y": "eQ"}
ATTESTATION: dict[str, Any] = {
    "init-data": None,
    "runtime-data": {"nonce": "bm9uY2U=", "tee-pubkey": KEY},
    "tee-evidence": {"primary_evidence": {"svn": "1"}, "additional_evidence": ""},
}


def without(path: str) -> bytes:
    document = json.loads(json.dumps(ATTESTATION))
    *outer, last = path.split("/")
    inner = document
    for name in outer:
        inner = inner[name]
    del inner[last]
    return json.dumps(document).encode()


def with_value(path: str, value: Any) -> bytes:
    document = json.loads(json.dumps(ATTESTATION))
    *outer, last = path.split("/")
    inner = document
    for name in outer:
        inner = inner[name]
    inner[last] = value
    return json.dumps(document).encode()


def test_the_stock_guest_is_understood_and_imitated() -> None:
    auth, attest = STOCK[0], STOCK[1]
    assert Request.parse(auth.request.body) == Request.offering_all_hashes(Tee.SAMPLE)
    assert Request.offering_all_hashes(Tee.SAMPLE).to_json() == auth.request.body
    assert Challenge.parse(auth.response.body).to_json() == auth.response.body
    assert Attestation.parse(attest.request.body).to_json() == attest.request.body
    assert Response.parse(attest.response.body).to_json() == attest.response.body


def test_the_recorded_evidence_carries_the_digest_of_the_primary_claims() -> None:
    attestation = Attestation.parse(STOCK[1].request.body)
    digest = report_data(attestation.runtime_data.primary_claims(attestation.additional_evidence))
    assert attestation.primary_evidence["report_data"] == b64std_encode(digest)


def test_published_report_data() -> None:
    runtime = RuntimeData("bm9uY2U=", EcTeeKey("P-256", "ECDH-ES+A256KW", "eA", "eQ"))
    assert report_data(runtime.device_claims()).hex() == (
        "faab561a3549a92e4038563d990c9789578db00d3cad9bcec50772f84f2bc3b81671fefdfb345fd77dea92f27d7466d4"
    )
    assert report_data(runtime.primary_claims("")).hex() == (
        "412a2cd46689a873a3606a62cc5dadd837d33a7dfe3706531ba537d4c21eb3dfb6a4639a2302472555aa3430cee0bc4e"
    )


def test_published_canonical_digest() -> None:
    assert report_data({"b": 1, "a": "test", "c": {"d": "e"}}).hex() == (
        "e71ce8e70d814ba6639c3612ebee0ff1f76f650f8dbb5e47157e0f3f525cd22c4597480a186427c813ca941da78870c3"
    )


def test_a04_members_that_the_key_type_lacks_are_not_hashed_and_alg_is() -> None:
    plain = Attestation.parse(json.dumps(ATTESTATION).encode()).runtime_data
    dressed = Attestation.parse(with_value("runtime-data/tee-pubkey/use", "enc")).runtime_data
    other = Attestation.parse(with_value("runtime-data/tee-pubkey/alg", "ECDH-ES")).runtime_data
    assert plain == dressed
    assert report_data(plain.device_claims()) != report_data(other.device_claims())


def test_a04_device_and_primary_digests_differ() -> None:
    runtime = Attestation.parse(json.dumps(ATTESTATION).encode()).runtime_data
    assert report_data(runtime.device_claims()) != report_data(runtime.primary_claims(""))


@pytest.mark.parametrize(
    "path",
    [
        "runtime-data",
        "runtime-data/nonce",
        "runtime-data/tee-pubkey",
        "runtime-data/tee-pubkey/kty",
        "runtime-data/tee-pubkey/x",
        "tee-evidence",
        "tee-evidence/primary_evidence",
        "tee-evidence/additional_evidence",
    ],
)
def test_a_missing_member_is_named(path: str) -> None:
    with pytest.raises(MessageError) as caught:
        Attestation.parse(without(path))
    assert path.rsplit("/", 1)[-1] in str(caught.value)


@pytest.mark.parametrize("value", [None, 1, [], {}, True])
@pytest.mark.parametrize(
    "path", ["runtime-data/nonce", "runtime-data/tee-pubkey/y", "tee-evidence/additional_evidence"]
)
def test_a_member_of_a_wrong_type_is_refused(path: str, value: Any) -> None:
    with pytest.raises(MessageError):
        Attestation.parse(with_value(path, value))


def test_init_data_may_be_absent_null_or_whole() -> None:
    assert Attestation.parse(without("init-data")).init_data is None
    whole = Attestation.parse(with_value("init-data", {"format": "toml", "body": "x"})).init_data
    assert whole is not None
    assert (whole.format, whole.body) == ("toml", "x")
    for broken in ({}, {"format": "toml"}, "x", 0):
        with pytest.raises(MessageError):
            Attestation.parse(with_value("init-data", broken))


def test_a24_a_member_twice_is_refused() -> None:
    body = json.dumps(ATTESTATION).replace('"nonce":', '"nonce": "other", "nonce":').encode()
    with pytest.raises(MessageError) as caught:
        Attestation.parse(body)
    assert caught.value.code == "JSON-DUPLICATE"


def test_device_evidence_is_read_in_its_order() -> None:
    body = with_value("tee-evidence/additional_evidence", '{"sampledevice":{"svn":"2"},"nvidia":[]}')
    assert list(Attestation.parse(body).device_evidence().items()) == [
        (Tee.SAMPLE_DEVICE, {"svn": "2"}),
        (Tee.NVIDIA, []),
    ]
    assert Attestation.parse(json.dumps(ATTESTATION).encode()).device_evidence() == {}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[]", "RCAR-MESSAGE"),
        ("x", "JSON"),
        ('{"nosuch":1}', "TEE-UNKNOWN"),
        ('{"nvidia":1,"nvidia":2}', "JSON-DUPLICATE"),
        ('{"nvidia-dpu":1,"nvidiadpu":2}', "RCAR-MESSAGE"),
    ],
)
def test_device_evidence_of_another_form_is_refused(text: str, code: str) -> None:
    attestation = Attestation.parse(with_value("tee-evidence/additional_evidence", text))
    with pytest.raises(MessageError) as caught:
        attestation.device_evidence()
    assert caught.value.code == code


@pytest.mark.parametrize("version", ["0.4.0", "0.4.0+x", "0.4.0+build.7"])
def test_versions_that_are_spoken(version: str) -> None:
    check_version(version)


@pytest.mark.parametrize("version", ["0.4.1", "0.3.0", "0.1.1", "1.4.0", "0.4.0-rc1"])
def test_other_versions_are_refused_in_the_words_of_the_stock_broker(version: str) -> None:
    with pytest.raises(VersionMismatchError) as caught:
        check_version(version)
    assert caught.value.message == (
        f"KBS Client Protocol Version Mismatch: expect =0.4.0 while the request is {version}"
    )
    assert caught.value.code == "RCAR-VERSION"


@pytest.mark.parametrize(
    "version", ["0.4", "", "x", "00.4.0", "0.4.0\n", "0.4.0.0", "\u0660.\u0664.\u0660", "0.4.99999999999999"]
)
def test_what_is_no_version_is_said_to_be_none(version: str) -> None:
    with pytest.raises(VersionMismatchError) as caught:
        check_version(version)
    assert caught.value.message == "failed to parse KBS version"


def test_extra_params_are_required_and_may_be_anything() -> None:
    with pytest.raises(MessageError):
        Request.parse(b'{"version":"0.4.0","tee":"snp"}')
    assert Request.parse(b'{"version":"0.4.0","tee":"snp","extra-params":null,"more":1}').tee is Tee.SNP


@pytest.mark.parametrize("tee", ["Sample", "nosuch", "", "azsnpvtpm"])
def test_a_tee_name_is_taken_to_the_letter(tee: str) -> None:
    with pytest.raises(MessageError) as caught:
        Request.parse(json.dumps({"version": "0.4.0", "tee": tee, "extra-params": ""}).encode())
    assert caught.value.code == "TEE-UNKNOWN"


@pytest.mark.parametrize(
    ("extra", "wanted"),
    [("", "sha384"), (None, "sha384"), ({}, "sha384"), ({"selected-hash-algorithm": "SHA512"}, "sha512")],
)
def test_the_hash_that_the_broker_selects(extra: Any, wanted: str) -> None:
    assert Challenge("n", extra).hash_algorithm == wanted


@pytest.mark.parametrize("selected", ["md5", 5, "sha-384", []])
def test_a04_an_unknown_hash_is_refused(selected: Any) -> None:
    with pytest.raises(MessageError) as caught:
        _ = Challenge("n", {"selected-hash-algorithm": selected}).hash_algorithm
    assert caught.value.code == "HASH-ALGORITHM"


def test_hashes_by_name() -> None:
    assert {h: h.digest(b"").hex()[:8] for h in HashAlgorithm} == {
        "sha256": "e3b0c442",
        "sha384": "38b060a7",
        "sha512": "cf83e135",
        "sm3": "1ab21d83",
    }
    assert all(len(h.digest(b"x")) == h.digest_size for h in HashAlgorithm)


@given(st.binary(max_size=300))
@pytest.mark.parametrize("message", [Request, Challenge, Attestation, Response])
def test_a24_any_bytes_are_a_message_or_the_one_error(message: Any, data: bytes) -> None:
    try:
        message.parse(data)
    except MessageError as error:
        assert error.code  # noqa: PT017  # either outcome is right


@given(st.sampled_from(["version", "tee", "extra-params"]), st.none() | st.integers() | st.text() | st.lists(st.text()))
def test_a24_any_values_are_a_request_or_the_one_error(name: str, value: Any) -> None:
    document = {"version": "0.4.0", "tee": "snp", "extra-params": "", name: value}
    try:
        request = Request.parse(json.dumps(document).encode())
    except MessageError:
        return
    assert Request.parse(request.to_json()) == request
