"""Envelopes: byte for byte what Google's protobuf writes, and read as it reads."""

from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from ttrpc_asyncio import Code, Detail, EnvelopeError, StatusError
from ttrpc_asyncio.envelope import (
    NO_METADATA,
    Request,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
    encode_status,
)

from tests.unit.ttrpc_asyncio.peer import AnyPb, RequestPb, ResponsePb, StatusPb

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
KEYS = st.text("abcdefghijklmnopqrstuvwxyz-0123456789", max_size=10)
METADATA = st.dictionaries(KEYS, st.lists(TEXT, min_size=1, max_size=3).map(tuple), max_size=4)
REQUESTS = st.builds(Request, TEXT, TEXT, st.binary(max_size=300), st.integers(-(2**63), 2**63 - 1), METADATA)
DETAILS = st.lists(st.builds(Detail, TEXT, st.binary(max_size=40)), max_size=3)
FAILURES = st.sampled_from([code for code in Code if code is not Code.OK])

VECTOR = bytes.fromhex(
    "0a296174746573746174696f6e5f6167656e742e4174746573746174696f6e4167656e7453657276696365"
    "120a4765745465655479706520" + "80e8eda1ba01"
)
"""GetTeeType with a time limit of 50 s, as a stock guest sends it."""


def oracle(request: Request) -> bytes:
    message = RequestPb(
        service=request.service,
        method=request.method,
        payload=request.payload,
        timeout_nano=request.timeout_nano,
    )
    for key, values in request.metadata.items():
        for value in values:
            message.metadata.add(key=key, value=value)
    encoded: bytes = message.SerializeToString()
    return encoded


def test_the_published_vector() -> None:
    request = Request("attestation_agent.AttestationAgentService", "GetTeeType", b"", 50_000_000_000, NO_METADATA)
    assert encode_request(request) == VECTOR
    assert decode_request(VECTOR) == request
    assert encode_response(b"\x0a\x06sample").hex() == "0a0012080a0673616d706c65"


@given(REQUESTS)
def test_requests_are_written_as_protobuf_writes_them(request: Request) -> None:
    assert encode_request(request) == oracle(request)


@given(REQUESTS)
def test_requests_come_back(request: Request) -> None:
    assert decode_request(encode_request(request)) == request


@given(st.binary(max_size=300))
def test_answers_come_back_with_a_status_that_is_present_and_empty(payload: bytes) -> None:
    encoded = encode_response(payload)
    assert encoded == ResponsePb(status=StatusPb(), payload=payload).SerializeToString()
    assert decode_response(encoded) == payload


@given(FAILURES, TEXT, DETAILS)
def test_statuses_are_written_as_protobuf_writes_them(code: Code, message: str, details: list[Detail]) -> None:
    encoded = encode_status(code, message, details)
    inner = [AnyPb(type_url=detail.type_url, value=detail.value) for detail in details]
    assert encoded == ResponsePb(status=StatusPb(code=code, message=message, details=inner)).SerializeToString()
    with pytest.raises(StatusError) as caught:
        decode_response(encoded)
    assert (caught.value.status, caught.value.message, caught.value.details) == (code, message, tuple(details))


@given(st.binary(max_size=120))
def test_a24_any_bytes_are_a_request_or_the_one_error_as_protobuf_finds(data: bytes) -> None:
    try:
        request = decode_request(data)
    except EnvelopeError:
        return
    message = RequestPb.FromString(data)
    assert (message.service, message.method, message.payload) == (request.service, request.method, request.payload)
    assert message.timeout_nano == request.timeout_nano


@given(st.binary(max_size=120))
def test_a24_any_bytes_are_an_answer_a_status_or_the_one_error(data: bytes) -> None:
    try:
        payload = decode_response(data)
    except EnvelopeError:
        return
    except StatusError as error:
        assert ResponsePb.FromString(data).status.message == error.message  # noqa: PT017  # which one is not known
        return
    message = ResponsePb.FromString(data)
    assert (message.payload, message.status.code) == (payload, 0)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xff\xff\xff", "Unexpected EOF"),
        (b"\x0a\x01\xff", "Invalid UTF-8 sequence"),
        (b"\x12\x01\xff", "Invalid UTF-8 sequence"),
        (b"\x2a\x03\x0a\x01\xff", "Invalid UTF-8 sequence"),
        (b"\x2a\x02\x0a\x05", "Unexpected EOF"),
    ],
)
def test_bad_requests_are_refused_in_the_words_of_the_crate(data: bytes, message: str) -> None:
    with pytest.raises(EnvelopeError) as caught:
        decode_request(data)
    assert caught.value.message == message
    with pytest.raises(DecodeError):
        RequestPb.FromString(data)


def test_fields_that_are_unknown_or_of_another_type_are_skipped() -> None:
    data = b"\x08\x07" + b"\x22\x01x" + b"\x3a\x01y" + b"\x28\x01" + b"\x0a\x01s" + b"\x12\x01m"
    assert decode_request(data) == Request("s", "m", b"", 0, NO_METADATA)
    assert decode_response(b"\x08\x07" + b"\x1a\x01x" + b"\x12\x01p") == b"p"


def test_an_absent_status_is_ok() -> None:
    assert decode_response(b"\x12\x01p") == b"p"
    assert decode_response(b"") == b""


def test_a_status_in_two_parts_is_one() -> None:
    with pytest.raises(StatusError) as caught:
        decode_response(b"\x0a\x02\x08\x05\x0a\x03\x12\x01m" + b"\x12\x01p")
    assert (caught.value.status, caught.value.message) == (Code.NOT_FOUND, "m")


@pytest.mark.parametrize("number", [17, 77, 2**31 - 1, -1])
def test_a_code_that_is_not_defined_means_unknown(number: int) -> None:
    with pytest.raises(StatusError) as caught:
        decode_response(ResponsePb(status=StatusPb(code=number, message="m")).SerializeToString())
    assert (caught.value.status, caught.value.message) == (Code.UNKNOWN, "m")


def test_a_status_skips_what_it_does_not_know() -> None:
    status = b"\x08\x05" + b"\x10\x01" + b"\x22\x01x" + b"\x1a\x05\x08\x01\x12\x01v" + b"\x1a\x03\x22\x01x"
    with pytest.raises(StatusError) as caught:
        decode_response(b"\x0a" + bytes([len(status)]) + status)
    assert caught.value.details == (Detail("", b"v"), Detail("", b""))


def test_keys_of_metadata_are_lower_case_on_both_sides() -> None:
    encoded = encode_request(Request("s", "m", b"", 0, {"Trace-Id": ["1", "2"], "empty": []}))
    assert [(entry.key, entry.value) for entry in RequestPb.FromString(encoded).metadata] == [
        ("trace-id", "1"),
        ("trace-id", "2"),
    ]
    message = RequestPb(service="s", method="m")
    for key, value in (("Trace-Id", "1"), ("other", "x"), ("TRACE-ID", "2")):
        message.metadata.add(key=key, value=value)
    metadata = decode_request(message.SerializeToString()).metadata
    assert metadata == {"trace-id": ("1", "2"), "other": ("x",)}
    with pytest.raises(TypeError):
        metadata["x"] = ("y",)  # type: ignore[index]


@pytest.mark.parametrize("nanoseconds", [0, 1, -1, 2**63 - 1, -(2**63)])
def test_time_limits_are_signed(nanoseconds: int) -> None:
    encoded = RequestPb(service="s", timeout_nano=nanoseconds).SerializeToString()
    assert decode_request(encoded).timeout_nano == nanoseconds
