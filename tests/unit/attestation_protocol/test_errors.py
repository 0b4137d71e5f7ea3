"""The error document, and the code at the end of a text."""

from __future__ import annotations

import pytest
from attestation_protocol import errors
from attestation_protocol.errors import ErrorInformation, MessageError, ProtocolError, advice_of, code_of, wire_text

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


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"type":1,"detail":"x"}', b'{"type":"x"}', b"[" * 100_000])
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
    assert advice_of("Attest (once) failed [RCAR-NONCE]") == advice_of("Attest failed") == ""


def test_each_kind_of_error_has_a_code_of_its_own() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ProtocolError)]
    codes = {kind.default_code for kind in kinds}
    assert len(codes) == len(kinds) == 10
    assert str(MessageError("no nonce", advice="send one")) == "no nonce [RCAR-MESSAGE]"
