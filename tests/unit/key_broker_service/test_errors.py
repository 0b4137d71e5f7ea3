"""Error documents: the recorded text first, then what to do, then the code; causes stay inside."""

from __future__ import annotations

import json

import pytest
from key_broker_service import errors


def subclasses() -> list[type[errors.KbsError]]:
    return sorted(errors.KbsError.__subclasses__(), key=lambda cls: cls.__name__)


def test_a_document_has_the_recorded_text_then_advice_and_code() -> None:
    error = errors.AuthRefusedError("deserialize Request", code="JSON", advice="send JSON", why="offset 3")
    assert error.document() == (
        b'{"type":"https://github.com/confidential-containers/kbs/errors/AttestationError",'
        b'"detail":"Attestation error: RCAR handshake Auth failed: deserialize Request (send JSON) [JSON]"}'
    )


def test_the_cause_of_a_refusal_is_not_told() -> None:
    error = errors.AttestRefusedError(code="SNP-SIGNATURE", why="wanted this, got that")
    assert json.loads(error.document())["detail"] == "Attestation error: RCAR handshake Attest failed [SNP-SIGNATURE]"
    assert error.why == "wanted this, got that"
    assert "got that" not in str(error)


@pytest.mark.parametrize("cls", subclasses())
def test_every_refusal_is_a_401_but_for_an_unknown_plugin(cls: type[errors.KbsError]) -> None:
    assert cls.status == (404 if cls is errors.PluginNotFoundError else 401)


def test_the_variants_are_those_of_the_stock_broker() -> None:
    assert {cls.variant for cls in subclasses()} == {
        "AdminAuthAccess",
        "AdminAuthInitialization",
        "AttestationError",
        "RvpsError",
        "ParsePolicyError",
        "PolicyEngineError",
        "PolicyDeny",
        "TokenNotFound",
        "TokenVerifierError",
        "PluginNotFound",
        "PluginInternalError",
        "JweError",
    }


def test_a_name_with_braces_is_no_format() -> None:
    assert errors.PluginNotFoundError("{0.why}").message == "Plugin {0.why} not found"
