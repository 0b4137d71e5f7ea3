"""The base of errors: codes, advice, what a terminal shows."""

from __future__ import annotations

from attestack_common.errors import AttestackError, ConfigError, UsageError, code_and_advice


def test_an_error_ends_with_its_code() -> None:
    assert str(ConfigError("kbs.toml: admin: is missing")) == "kbs.toml: admin: is missing [CONFIG]"
    assert str(UsageError("no such flag")) == "no such flag [USAGE]"


def test_a_given_code_wins_over_the_default() -> None:
    assert ConfigError("x", code="CONFIG-FILE").code == "CONFIG-FILE"


def test_diagnostics_add_what_to_do() -> None:
    assert AttestackError("broken").diagnostics() == "broken [ATTESTACK]"
    assert AttestackError("broken", advice="mend it").diagnostics() == "broken [ATTESTACK]\n  mend it"


def test_code_and_advice_know_our_errors_and_no_others() -> None:
    assert code_and_advice(ConfigError("x", advice="do y")) == ("CONFIG", "do y")
    assert code_and_advice(ValueError("x")) == ("INTERNAL", "")
    assert code_and_advice(SystemExit(3)) == ("INTERNAL", "")
