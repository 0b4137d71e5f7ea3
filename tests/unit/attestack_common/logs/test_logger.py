"""The process's log: which events come out, and in which form."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from attestack_common.errors import ConfigError
from attestack_common.logs import Logger, configure, get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _restored_logging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("RUST_LOG", raising=False)
    monkeypatch.delenv("ATTESTACK_LOG_FORMAT", raising=False)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in ("unit", "unit.sessions", "unit.other"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def events(capsys: pytest.CaptureFixture[str]) -> list[str]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return [line.split(" ", 1)[1] for line in captured.err.splitlines()]


def log_all(logger: Logger) -> None:
    logger.debug("d")
    logger.info("i")
    logger.warning("w")
    logger.error("e")


def test_without_a_directive_info_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    configure(None)
    log_all(get_logger("unit.sessions"))
    assert events(capsys) == ["INFO unit.sessions: i", "WARN unit.sessions: w", "ERROR unit.sessions: e"]


def test_a_target_has_its_own_level(capsys: pytest.CaptureFixture[str]) -> None:
    configure("error,unit::sessions=debug")
    log_all(get_logger("unit.sessions"))
    log_all(get_logger("unit.other"))
    lines = events(capsys)
    assert lines[:4] == [f"{level} unit.sessions: {level[0].lower()}" for level in ("DEBUG", "INFO", "WARN", "ERROR")]
    assert lines[4:] == ["ERROR unit.other: e"]


def test_off_logs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    configure("off")
    log_all(get_logger("unit"))
    assert events(capsys) == []


def test_rust_log_wins_over_the_configuration(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUST_LOG", "error")
    configure("debug")
    log_all(get_logger("unit"))
    assert events(capsys) == ["ERROR unit: e"]


def test_the_last_call_holds_alone(capsys: pytest.CaptureFixture[str]) -> None:
    configure("debug,unit=debug")
    configure("error")
    log_all(get_logger("unit"))
    assert events(capsys) == ["ERROR unit: e"]


def test_json_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTESTACK_LOG_FORMAT", "json")
    configure(None)
    get_logger("unit").info("opened", id=7)
    event = json.loads(capsys.readouterr().err)
    assert (event["level"], event["target"], event["message"], event["fields"]) == ("INFO", "unit", "opened", {"id": 7})


def test_what_cannot_be_taken_is_refused_by_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"^log\.level: 'a=b' is not"):
        configure("a=b")
    monkeypatch.setenv("RUST_LOG", "a=b")
    with pytest.raises(ConfigError, match=r"^RUST_LOG: 'a=b' is not"):
        configure("info")
    monkeypatch.setenv("RUST_LOG", "info")
    monkeypatch.setenv("ATTESTACK_LOG_FORMAT", "xml")
    with pytest.raises(ConfigError, match=r"ATTESTACK_LOG_FORMAT: 'xml' is not a format \[LOG-FORMAT\]"):
        configure("info")


def test_fields_may_have_any_name(capsys: pytest.CaptureFixture[str]) -> None:
    configure(None)
    get_logger("unit").info("m", message=1, level=2, name=3, args=4)
    assert events(capsys) == ["INFO unit: m message=1 level=2 name=3 args=4"]


def test_a_percent_sign_is_nothing_special(capsys: pytest.CaptureFixture[str]) -> None:
    configure(None)
    get_logger("unit").info("100 %s %d")
    assert events(capsys) == ["INFO unit: 100 %s %d"]


def test_a_disabled_event_does_not_look_at_its_fields() -> None:
    class Dear:
        def __str__(self) -> str:
            raise AssertionError("was looked at")

    configure("info")
    logger = get_logger("unit")
    assert not logger.enabled_for_debug()
    logger.debug("m", value=Dear())


def test_debug_can_be_asked_for() -> None:
    configure("unit=debug")
    assert get_logger("unit").enabled_for_debug()


def test_a_broken_standard_error_does_not_disturb_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def write(self, _: str) -> None:
            raise BrokenPipeError

        def flush(self) -> None:
            raise BrokenPipeError

    configure(None)
    monkeypatch.setattr(sys, "stderr", Broken())
    get_logger("unit").error("lost")


def test_before_it_is_configured_warnings_come_out_whole() -> None:
    code = (
        "from attestack_common.logs import get_logger; log = get_logger('unit');"
        "log.info('i'); log.warning('w', key='a\\nb'); log.error('e')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    lines = [line.split(" ", 1)[1] for line in done.stderr.splitlines()]
    assert lines == [r'WARN unit: w key="a\nb"', "ERROR unit: e"]


def test_other_handlers_are_left_alone() -> None:
    other = logging.NullHandler()
    root = logging.getLogger()
    root.addHandler(other)
    configure(None)
    configure(None)
    assert other in root.handlers
    assert sum(type(handler).__name__ == "_StderrHandler" for handler in root.handlers) == 1
