"""What the service and its workers say to each other."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trustee_core.policy.contract import PolicyError, PolicyEvaluationError, PolicyParseError, PolicyRefusedError
from trustee_core.policy.messages import (
    MAX_REPLY,
    Failure,
    MessageError,
    Reply,
    Request,
    body_size,
    decode_reply,
    decode_request,
    encode,
    error_of,
    failure_of,
    frame,
    read_frame,
)

REQUEST = Request(
    policy="package policy\n# \ud800 é",
    rules=["data.policy.allow"],
    check=True,
    input='{"a": "\\u0000"}',
    data="{}",
    known={"v": [1, None, 2**70, 0.1, {"x": "é"}]},
    seconds=1.5,
)
REPLY = Reply(
    values={"data.policy.allow": None, "data.policy.n": 2**70},
    absent=["data.policy.x"],
    missed=["m"],
    reference_values=["v"],
    prints=["p"],
    seconds=0.25,
    unbounded="why",
    failure=Failure("PolicyParseError", "m", "POLICY-PARSE", "a", "e"),
)


def test_a_frame_is_a_length_and_json() -> None:
    data = encode(Request(policy="p", rules=[], seconds=1))
    assert data[:4] == (len(data) - 4).to_bytes(4, "big")
    assert json.loads(data[4:]) == {
        "policy": "p",
        "rules": [],
        "check": False,
        "input": "{}",
        "data": "",
        "known": {},
        "seconds": 1,
    }


def test_messages_arrive_as_they_were_sent() -> None:
    assert decode_request(encode(REQUEST)[4:]) == REQUEST
    assert decode_reply(encode(REPLY)[4:]) == REPLY


@pytest.mark.parametrize("kind", [PolicyParseError, PolicyRefusedError, PolicyEvaluationError])
def test_errors_arrive_as_they_were_raised(kind: type[PolicyError]) -> None:
    error = kind("message", code="POLICY-X", advice="do", engine_text="text")
    arrived = error_of(failure_of(error))
    assert type(arrived) is kind
    assert (arrived.message, arrived.code, arrived.advice, arrived.engine_text) == ("message", "POLICY-X", "do", "text")
    assert type(error_of(Failure("OSError", "m", "c", "", ""))) is PolicyEvaluationError


def test_a_message_has_a_bound() -> None:
    assert frame(b"abc", 3) == b"\0\0\0\3abc"
    with pytest.raises(MessageError, match="4 bytes"):
        frame(b"abcd", 3)
    with pytest.raises(MessageError):
        encode(Reply(prints=["x" * MAX_REPLY]))
    assert body_size(b"\0\0\0\3", 3) == 3
    with pytest.raises(MessageError, match="4294967295 bytes"):
        body_size(b"\xff\xff\xff\xff", MAX_REPLY)


def test_frames_are_read_to_the_end_of_the_pipe() -> None:
    pipe = io.BytesIO(frame(b"one", 9) + frame(b"", 9) + b"\0\0\0\5two")
    assert read_frame(pipe, 9) == b"one"
    assert read_frame(pipe, 9) == b""
    with pytest.raises(MessageError, match="within a message"):
        read_frame(pipe, 9)
    assert read_frame(io.BytesIO(b""), 9) is None
    with pytest.raises(MessageError, match="within a message"):
        read_frame(io.BytesIO(b"\0\0"), 9)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'{"seconds": "x"}', b'{"rules": [], "x": 1}', b'{"values": []}'],
)
def test_what_is_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(MessageError):
        decode_reply(body)
    with pytest.raises(MessageError):
        decode_request(body)


@given(st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
def test_a24_any_bytes_are_a_reply_or_the_one_error(body: bytes) -> None:
    try:
        assert isinstance(decode_reply(body), Reply)
    except MessageError as error:
        assert str(error).startswith("not a reply")  # noqa: PT017  # either is right
