"""The process's log: which events come out, and in which form."""

from __future__ import annotations

import io
import json
import logging
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager, redirect_stderr
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from attestack_common.errors import ConfigError
from attestack_common.logs import Logger, configure, get_logger
from attestack_common.logs.lines import FIELDS
from attestack_common.secret import Secret
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


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


class Heard(logging.Handler):
    """A handler that is not ours."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def configure_alone(directive: str | None = None) -> logging.Handler:
    """Configure, with no handler beside ours: pytest has some of its own, in each phase of a test."""
    root = logging.getLogger()
    root.handlers.clear()
    configure(directive)
    [ours] = root.handlers
    return ours


@contextmanager
def no_records() -> Iterator[None]:
    """Fail where an event becomes a record."""
    made = AssertionError("a record was made")
    with mock.patch("logging.LogRecord", side_effect=made):
        yield


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
    logging.getLogger("library").error("lost")
    configure_alone()
    with no_records():
        get_logger("unit").error("lost")
    monkeypatch.setattr(sys, "stderr", None)
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


def test_no_record_is_made_where_ours_is_the_only_handler(capsys: pytest.CaptureFixture[str]) -> None:
    configure_alone("info,unit.other=warn")
    with no_records():
        log_all(get_logger("unit.sessions"))
        log_all(get_logger("unit.other"))
    assert events(capsys) == [
        "INFO unit.sessions: i",
        "WARN unit.sessions: w",
        "ERROR unit.sessions: e",
        "WARN unit.other: w",
        "ERROR unit.other: e",
    ]


@pytest.mark.parametrize("place", [None, "unit", "unit.sessions"])
def test_a_handler_that_is_not_ours_gets_records(place: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    configure_alone()
    heard, logger = Heard(), get_logger("unit.sessions")
    logging.getLogger(place).addHandler(heard)
    try:
        logger.warning("opened %s", id=7)
    finally:
        logging.getLogger(place).removeHandler(heard)
    with no_records():
        logger.info("closed")
    [record] = heard.records
    assert (record.name, record.levelno, record.getMessage()) == ("unit.sessions", logging.WARNING, "opened %s")
    assert getattr(record, FIELDS) == {"id": 7}
    assert events(capsys) == ["WARN unit.sessions: opened %s id=7", "INFO unit.sessions: closed"]


def test_a_filter_sees_records_and_decides(capsys: pytest.CaptureFixture[str]) -> None:
    def only_errors(record: logging.LogRecord) -> bool:
        return record.levelno >= logging.ERROR

    ours, inner = configure_alone(), logging.getLogger("unit")
    for filtered in (ours, inner):
        filtered.addFilter(only_errors)
        log_all(get_logger("unit"))
        filtered.removeFilter(only_errors)
    assert events(capsys) == ["ERROR unit: e"] * 2


def test_the_level_and_the_formatter_of_our_handler_can_be_changed(capsys: pytest.CaptureFixture[str]) -> None:
    ours = configure_alone()
    ours.setLevel(logging.ERROR)
    log_all(get_logger("unit"))
    ours.setLevel(logging.NOTSET)
    ours.setFormatter(logging.Formatter("at %(levelname)s: %(message)s"))
    log_all(get_logger("unit"))
    assert events(capsys) == ["ERROR unit: e", "INFO: i", "WARNING: w", "ERROR: e"]


def test_what_is_not_passed_on_does_not_come_out(capsys: pytest.CaptureFixture[str]) -> None:
    configure_alone()
    inner = logging.getLogger("unit")
    inner.propagate = False
    try:
        get_logger("unit.sessions").info("i")
    finally:
        inner.propagate = True
    logging.disable(logging.WARNING)
    try:
        log_all(get_logger("unit"))
    finally:
        logging.disable(logging.NOTSET)
    assert events(capsys) == ["ERROR unit: e"]


def test_lines_follow_standard_error_to_where_it_is_sent() -> None:
    configure_alone()
    logger = get_logger("unit")
    for message in ("one", "two"):
        with redirect_stderr(io.StringIO()) as sent:
            logger.info(message)
        assert sent.getvalue().endswith(f"Z INFO unit: {message}\n")


def test_a_line_does_not_wait_in_a_buffer(tmp_path: Path) -> None:
    configure_alone()
    with (tmp_path / "log").open("w", encoding="utf-8") as buffered, redirect_stderr(buffered):
        get_logger("unit").info("i")
        assert (tmp_path / "log").read_text().endswith("Z INFO unit: i\n")


VALUES = st.one_of(
    st.text(), st.text('ab0 ="\\\n\u202e'), st.text(min_size=60, max_size=70), st.integers(), st.booleans(),
    st.none(), st.floats(), st.binary(), st.lists(st.text()), st.builds(Secret, st.binary()),
    st.builds(ValueError, st.text()), st.builds(ConfigError, st.text(), code=st.just("X-Y")),
)  # fmt: skip


@given(
    st.sampled_from(["debug", "info", "warning", "error"]),
    st.text(),
    st.dictionaries(st.text(), VALUES),
    st.sampled_from(["text", "json"]),
)
def test_a_line_is_the_same_with_and_without_a_record(
    level: str, message: str, fields: dict[str, Any], form: str
) -> None:
    with mock.patch.dict("os.environ", {"ATTESTACK_LOG_FORMAT": form}):
        ours = configure_alone("debug")
    log = getattr(get_logger("unit"), level)
    with mock.patch("time.time", return_value=1795619696.789):
        with redirect_stderr(io.StringIO()) as direct, no_records():
            log(message, **fields)
        logging.getLogger().addHandler(heard := Heard())
        with redirect_stderr(io.StringIO()) as recorded:
            log(message, **fields)
    assert direct.getvalue() == recorded.getvalue()
    assert direct.getvalue() == ours.format(heard.records[0]) + "\n"


def test_lines_of_several_threads_stay_whole() -> None:
    configure_alone()
    logger = get_logger("unit")

    def log(name: str) -> None:
        for _ in range(50):
            logger.info("m", thread=name * 100)

    with redirect_stderr(io.StringIO()) as sent:
        threads = [threading.Thread(target=log, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    lines = sorted(line.partition("Z ")[2] for line in sent.getvalue().splitlines())
    assert lines == [f"INFO unit: m thread={name * 100}" for name in "abcd" for _ in range(50)]


def test_what_was_logged_is_out_when_the_process_is_killed(tmp_path: Path) -> None:
    code = (
        "import os, signal; from attestack_common.logs import configure, get_logger; configure(None);"
        "get_logger('unit').info('last words'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    with (tmp_path / "log").open("wb") as log:
        done = subprocess.run([sys.executable, "-c", code], stderr=log, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "log").read_text().endswith("Z INFO unit: last words\n")
