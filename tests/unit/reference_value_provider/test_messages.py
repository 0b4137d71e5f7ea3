"""Registration messages."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference_value_provider.errors import MessageError
from reference_value_provider.messages import MAX_SIZE, Message


def refusal(text: bytes | str) -> MessageError:
    with pytest.raises(MessageError) as caught:
        Message.parse(text)
    return caught.value


@pytest.mark.parametrize(
    "text", ['{"type":"sample","payload":"e30=","version":"0.1.0"}', b'{"type":"sample","payload":"e30="}']
)
def test_a_message_is_read(text: bytes | str) -> None:
    assert Message.parse(text) == Message("sample", "e30=")


def test_other_members_are_ignored() -> None:
    assert Message.parse('{"type":"a","payload":"b","provenance":[1]}') == Message("a", "b")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "junk",
        "[]",
        "null",
        '"x"',
        "{}",
        '{"type":"sample"}',
        '{"payload":"e30="}',
        '{"type":"sample","provenance":"e30="}',
        '{"type":1,"payload":"e30="}',
        '{"type":"sample","payload":{}}',
        '{"version":null,"type":"sample","payload":""}',
        '{"type":"sample","type":"swid","payload":""}',
        b"\xff",
        "[" * 100_000,
        '{"type":"sample","payload":"","x":' + "[" * 100 + "]" * 100 + "}",
    ],
    ids=range(16),
)
def test_what_is_no_message_is_refused_in_upstreams_words(text: bytes | str) -> None:
    error = refusal(text)
    assert (error.message, error.code) == ("parse message", "RVPS-MESSAGE")
    assert "`type` and `payload`" in error.advice


def test_another_version_is_refused_in_upstreams_words() -> None:
    error = refusal('{"version":"9","type":"sample","payload":"e30="}')
    assert (error.message, error.code) == ("Version unmatched! Need 0.1.0, given 9.", "RVPS-VERSION")


def test_a_version_is_shown_without_control_characters_and_cut() -> None:
    error = refusal(json.dumps({"version": "\x1b\n" + "9" * 1000, "type": "sample", "payload": ""}))
    assert error.message.startswith("Version unmatched! Need 0.1.0, given \\x1b\\n999")
    assert len(error.message) < 150


def test_a_message_has_a_bound() -> None:
    start = '{"type":"sample","payload":"'
    at_most = start + "A" * (MAX_SIZE - len(start) - 2) + '"}'
    assert len(Message.parse(at_most).payload) == MAX_SIZE - len(start) - 2
    error = refusal(at_most + " ")
    assert (error.message, error.code) == ("parse message", "RVPS-SIZE")


def test_a_payload_is_not_in_the_repr() -> None:
    assert repr(Message("sample", "secret")) == "Message(type='sample')"


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_any_text_is_a_message_or_refused(text: bytes | str) -> None:
    try:
        Message.parse(text)
    except MessageError as error:
        assert error.code in {"RVPS-MESSAGE", "RVPS-VERSION"}  # noqa: PT017  # either outcome is right
