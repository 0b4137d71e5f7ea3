"""Decision records, and what of them stands in the log."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from attestack_common.logs.lines import TextFormatter
from key_broker_service.decisions import ADMINISTRATOR, GUEST, DecisionRecord, log_decision, statuses
from key_broker_service.errors import PolicyDenyError, TokenNotFoundError
from msgspec.structs import replace

from tests.unit.key_broker_service.fakes import START

RECORD = DecisionRecord(START, GUEST, "GET", "resource", ("default", "key", "1"))


def logged(record: DecisionRecord, caplog: pytest.LogCaptureFixture) -> str:
    with caplog.at_level(logging.INFO):
        log_decision(record)
    [line] = caplog.records
    return TextFormatter().format(line).partition("Z ")[2]


def test_a_record_of_an_administrator(caplog: pytest.LogCaptureFixture) -> None:
    record = replace(RECORD, caller=ADMINISTRATOR, method="POST", identity="jane")
    assert record.granted
    assert logged(record, caplog) == (
        "INFO kbs.decisions: granted caller=administrator method=POST plugin=resource path=default/key/1 identity=jane"
    )


def test_a_record_of_a_release(caplog: pytest.LogCaptureFixture) -> None:
    record = replace(RECORD, session="00ff", key_source="own", submodules={"cpu0": "affirming"}, policy_hash="ab" * 48)
    assert logged(record, caplog) == (
        "INFO kbs.decisions: granted caller=guest method=GET plugin=resource path=default/key/1 session=00ff "
        'submodules="cpu0 affirming" key=own policy=abababababababab'
    )


def test_a11_a_release_through_a_switch_is_a_warning_that_names_it(caplog: pytest.LogCaptureFixture) -> None:
    assert logged(replace(RECORD, switches=("insecure_sample_evidence",)), caplog) == (
        "WARN kbs.decisions: granted by an insecure switch caller=guest method=GET plugin=resource path=default/key/1 "
        "switches=insecure_sample_evidence"
    )


def test_a_record_of_a_refusal(caplog: pytest.LogCaptureFixture) -> None:
    record = RECORD.refused(PolicyDenyError(why="the rule is false"))
    assert not record.granted
    assert logged(record, caplog) == (
        "INFO kbs.decisions: refused caller=guest method=GET plugin=resource path=default/key/1 code=POLICY-DENY "
        'reason="the rule is false"'
    )
    assert RECORD.refused(TokenNotFoundError()).reason == "Attestation Token not found"


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({}, {}),
        ({"submods": []}, {}),
        (
            {"submods": {"cpu0": {"ear.status": "warning"}, "gpu0": {}, "gpu1": 1}},
            {"cpu0": "warning", "gpu0": "?", "gpu1": "?"},
        ),
    ],
)
def test_the_status_of_each_submodule_is_noted(claims: dict[str, Any], expected: dict[str, str]) -> None:
    assert statuses(claims) == expected


def test_records_are_values_that_do_not_share_what_they_were_not_given() -> None:
    same = DecisionRecord(START, GUEST, "GET", "resource", ("default", "key", "1"))
    assert same == RECORD
    assert same != replace(RECORD, session="00ff")
    assert same.submodules is not RECORD.submodules
    with pytest.raises(AttributeError, match="immutable"):
        same.code = "X"  # type: ignore[misc]
    assert repr(same).startswith("DecisionRecord(decided_at=datetime.datetime(")
    assert repr(same).endswith(
        "path=('default', 'key', '1'), identity='', session='', key_source='', submodules={}, "
        "policy_hash='', switches=(), code='', reason='')"
    )
