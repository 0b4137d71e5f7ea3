"""The error document, and the code at the end of a text."""

from __future__ import annotations

import pytest
from attestation_protocol import errors
from attestation_protocol.errors import (
    MAX_ERROR_DOCUMENT,
    ErrorInformation,
    MessageError,
    ProtocolError,
    advice_of,
    code_of,
    text_of,
    wire_text,
    wire_text_of,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.conformance.recordings import http_recording

DENIED = "https://github.com/confidential-containers/kbs/errors/PolicyDeny"


def test_the_document_has_two_members_in_this_order() -> None:
    document = ErrorInformation("PolicyDeny", "Access denied by policy [POLICY-DENY]")
    assert document.to_json() == b'{"type":"%s","detail":"Access denied by policy [POLICY-DENY]"}' % DENIED.encode()
    assert ErrorInformation.parse(document.to_json()) == document
    assert document.code == "POLICY-DENY"


def test_a_recorded_document_is_understood() -> None:
    body = http_recording("kbs/attest-empty").steps[0].response.body
    document = ErrorInformation.parse(body)
    assert document.variant == "AttestationError"
    assert document.code is None
    assert document.to_json() == body


def test_a_foreign_type_is_kept_whole() -> None:
    document = ErrorInformation.parse(b'{"type":"https://example.org/Other","detail":"x","more":1}')
    assert document.type == "https://example.org/Other"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"type":1,"detail":"x"}',
        b'{"type":"x"}',
        b"[" * 100_000,
        b'{"type":"x","detail":"\\ud800"}',
        b'{"type":"x","detail":"%s"}' % (b"y" * MAX_ERROR_DOCUMENT),
    ],
)
def test_a_body_that_is_no_document_is_refused(body: bytes) -> None:
    with pytest.raises(MessageError) as caught:
        ErrorInformation.parse(body)
    assert caught.value.code == "ERROR-DOCUMENT"


def test_the_code_stands_behind_the_text_and_the_advice() -> None:
    assert wire_text("Attest failed", "RCAR-NONCE") == "Attest failed [RCAR-NONCE]"
    assert wire_text("Attest failed", "RCAR-NONCE", "attest again") == "Attest failed (attest again) [RCAR-NONCE]"
    assert code_of("Attest failed (attest again) [RCAR-NONCE]") == "RCAR-NONCE"
    assert code_of("Attest failed") is None
    assert code_of("Attest failed [not a code]") is None
    assert advice_of("Attest failed (attest again) [RCAR-NONCE]") == "attest again"
    assert (
        text_of("Attest failed (attest again) [RCAR-NONCE]") == text_of("Attest failed [RCAR-NONCE]") == "Attest failed"
    )
    assert text_of("Attest failed [not a code]") == "Attest failed [not a code]"
    assert advice_of("Attest (once) failed [RCAR-NONCE]") == advice_of("Attest failed") == ""


def test_advice_that_would_begin_a_line_is_none() -> None:
    assert advice_of("failed (look\nthere) [CODE]") == ""
    assert code_of("failed (look\nthere) [CODE]") == "CODE"


def test_an_error_travels_with_its_advice_and_code() -> None:
    assert wire_text_of(MessageError("no nonce", advice="send one")) == "no nonce (send one) [RCAR-MESSAGE]"
    assert wire_text_of(MessageError("no nonce")) == "no nonce [RCAR-MESSAGE]"


@given(st.text(max_size=60), st.text(max_size=60))
def test_a24_what_was_read_can_be_passed_on(kind: str, detail: str) -> None:
    body = ErrorInformation("X" + kind, detail).to_json()
    assert ErrorInformation.parse(body).to_json() == body


@given(st.binary(max_size=60))
def test_a24_any_bytes_are_a_document_or_the_one_error(body: bytes) -> None:
    try:
        ErrorInformation.parse(body)
    except MessageError as error:
        assert error.code == "ERROR-DOCUMENT"  # noqa: PT017  # either outcome is right


def test_each_kind_of_error_has_a_code_of_its_own() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ProtocolError)]
    codes = {kind.default_code for kind in kinds}
    assert len(codes) == len(kinds) == 10
    assert str(MessageError("no nonce", advice="send one")) == "no nonce [RCAR-MESSAGE]"
