"""How an event becomes one line."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import pytest
from attestack_common.errors import ConfigError
from attestack_common.logs.lines import FIELDS, MAX_VALUE, JsonFormatter, TextFormatter, describe
from attestack_common.secret import Secret
from hypothesis import given
from hypothesis import strategies as st

AT = 1795619696.789  # 2026-11-25T15:14:56.789Z


def record(message: str, fields: dict[str, Any] | None = None, *, level: int = logging.INFO) -> logging.LogRecord:
    made = logging.LogRecord("kbs.sessions", level, "", 0, message, (), None)
    made.created = AT
    setattr(made, FIELDS, fields or {})
    return made


def text(message: str, **fields: Any) -> str:
    return TextFormatter().format(record(message, fields))


def shown(value: Any) -> str:
    line = text("m", v=value)
    prefix = "2026-11-25T15:14:56.789Z INFO kbs.sessions: m v="
    assert line.startswith(prefix)
    return line.removeprefix(prefix)


def in_json(value: Any) -> Any:
    return json.loads(JsonFormatter().format(record("m", {"v": value})))["fields"]["v"]


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("hunter2")


def test_a_line_of_text() -> None:
    line = text("session opened", id="4f1c", tee="snp", seconds=1.5)
    assert line == "2026-11-25T15:14:56.789Z INFO kbs.sessions: session opened id=4f1c tee=snp seconds=1.5"


def test_a_line_of_json() -> None:
    line = JsonFormatter().format(record("session opened", {"id": "4f1c", "n": 1, "ok": True, "no": None}))
    assert line == (
        '{"timestamp":"2026-11-25T15:14:56.789Z","level":"INFO","target":"kbs.sessions","message":"session opened",'
        '"fields":{"id":"4f1c","n":1,"ok":true,"no":null}}'
    )


@pytest.mark.parametrize(
    ("level", "name"), [(logging.DEBUG, "DEBUG"), (logging.WARNING, "WARN"), (logging.ERROR, "ERROR")]
)
def test_levels_have_the_names_of_the_rust_programs(level: int, name: str) -> None:
    assert f"Z {name} kbs" in TextFormatter().format(record("m", level=level))
    assert json.loads(JsonFormatter().format(record("m", level=level)))["level"] == name


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("", '""'),
        ("plain", "plain"),
        ("two words", '"two words"'),
        ('a"b', '"a\\"b"'),
        ("a\\b", '"a\\\\b"'),
        ("a=b", '"a=b"'),
        ("grün", '"grün"'),
        ("a\nb", '"a\\nb"'),
        ("a\r\x1b[31m", '"a\\r\\x1b[31m"'),
        ("\u2028\u202e\x85\ud800", '"\\u2028\\u202e\\x85\\ud800"'),
        (None, "none"),
        (True, "true"),
        (3, "3"),
        (["a", 1], "\"['a', 1]\""),
        (Secret(b"hunter2"), "Secret(...)"),
        ({"key": [Secret(b"hunter2")]}, "\"{'key': [Secret(...)]}\""),
        (Unprintable(), '"<Unprintable raises RuntimeError>"'),
        ("x" * (MAX_VALUE + 1), f'"{"x" * MAX_VALUE}... ({MAX_VALUE + 1} characters)"'),
    ],
)
def test_values_in_text(value: Any, line: str) -> None:
    assert shown(value) == line


@pytest.mark.parametrize(
    ("value", "member"),
    [
        ("a\nb", "a\nb"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (1.5, 1.5),
        (["a"], "['a']"),
        (Secret(b"hunter2"), "Secret(...)"),
        ("x" * (MAX_VALUE + 1), f"{'x' * MAX_VALUE}... ({MAX_VALUE + 1} characters)"),
    ],
)
def test_values_in_json(value: Any, member: Any) -> None:
    assert in_json(value) == member


def test_a_message_of_a_library_is_formatted_and_escaped() -> None:
    made = logging.LogRecord("lib", logging.INFO, "", 0, "got %s\n", ("a\nb",), None)
    assert TextFormatter().format(made).endswith("lib: got a\\nb\\n")


def test_a_message_whose_arguments_do_not_fit_is_shown_as_it_is() -> None:
    made = logging.LogRecord("lib", logging.INFO, "", 0, "got %s %d", ("a", "b"), None)
    assert TextFormatter().format(made).endswith("lib: got %s %d")


def test_the_exception_of_a_library_is_a_field() -> None:
    try:
        int("hunter2")
    except ValueError:
        made = logging.LogRecord("lib", logging.ERROR, "", 0, "failed", (), sys.exc_info())
    line = TextFormatter().format(made)
    assert 'failed error="ValueError at logs/test_lines.py:' in line
    assert "hunter2" not in line
    assert "\n" not in line


def test_our_own_errors_show_their_text_and_code() -> None:
    assert describe(ConfigError("kbs.toml: admin: is missing", code="X-Y")) == "kbs.toml: admin: is missing [X-Y]"


def test_the_operating_systems_errors_show_their_reason() -> None:
    assert describe(FileNotFoundError(2, "No such file or directory", "/x")) == (
        "FileNotFoundError: No such file or directory"
    )
    assert describe(OSError("hunter2")) == "OSError"


def test_places_are_innermost_first_and_bounded() -> None:
    def deep(levels: int) -> None:
        if not levels:
            raise KeyError("hunter2")
        deep(levels - 1)

    try:
        deep(40)
    except KeyError as error:
        described = describe(error)
    kind, _, places = described.partition(" at ")
    steps = places.split(" < ")
    assert kind == "KeyError"
    assert len(steps) == 13
    assert steps[0].startswith("logs/test_lines.py:")
    assert steps[0].endswith("(deep)")
    assert steps[11] == "..."
    assert steps[12].endswith("(test_places_are_innermost_first_and_bounded)")
    assert "hunter2" not in described


def test_what_is_equal_but_of_another_type_keeps_its_own_form() -> None:
    class Loud(str):
        __slots__ = ()

        def __format__(self, _: str) -> str:
            return self.upper()

    for _ in range(2):  # the second time, some of the forms are known
        assert [shown(value) for value in (1, True, 1.0, "1")] == ["1", "true", "1.0", "1"]
        assert [shown(value) for value in ("a", Loud("a"), "A")] == ["a", "A", "A"]


def test_forms_are_kept_of_short_values_only(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def escape(part: str) -> str:
        made.append(part)
        return part

    monkeypatch.setattr("attestack_common.logs.lines._escape", escape)
    for _ in range(2):
        text("forms are kept", short="s" * 64, number=77_001, long="l" * 65, flag=True)
    assert [part for part in made if part.startswith(" short=")] == [f" short={'s' * 64}"]
    assert [part for part in made if part.startswith(" number=")] == [" number=77001"]
    assert [part for part in made if part.startswith(" long=")] == [f" long={'l' * 65}"] * 2
    assert [part for part in made if part.startswith(" flag=")] == [" flag=true"] * 2
    assert [part for part in made if part.endswith(": forms are kept")] == [" INFO kbs.sessions: forms are kept"]
    for _ in range(2):
        text("m" * 65)
    assert made[-2:] == [f" INFO kbs.sessions: {'m' * 65}"] * 2


@given(st.text(), st.dictionaries(st.text(), st.text() | st.binary() | st.floats(), max_size=3))
def test_a35_any_event_is_one_printable_line(message: str, fields: dict[str, Any]) -> None:
    made = record(message, fields)
    assert TextFormatter().format(made).isprintable()
    line = JsonFormatter().format(made)
    assert line.isprintable()
    assert json.loads(line)["target"] == "kbs.sessions"
