"""Configuration files: which file, which format, which documents are refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from attestack_common.config import load_document
from attestack_common.config.documents import MAX_BYTES, MAX_DEPTH
from attestack_common.errors import ConfigError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from pathlib import Path

EXPECTED = {"http_server": {"sockets": ["127.0.0.1:8080"], "insecure_http": True}, "size": 2}

FORMATS = {
    "toml": 'size = 2\n[http_server]\nsockets = ["127.0.0.1:8080"]\ninsecure_http = true\n',
    "json": json.dumps(EXPECTED),
    "yaml": "size: 2\nhttp_server:\n  sockets: ['127.0.0.1:8080']\n  insecure_http: true\n",
    "yml": "{size: 2, http_server: {sockets: ['127.0.0.1:8080'], insecure_http: true}}",
}


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def refusal(path: Path) -> ConfigError:
    with pytest.raises(ConfigError) as refused:
        load_document(path)
    assert str(path) in str(refused.value)
    return refused.value


@pytest.mark.parametrize("extension", FORMATS)
def test_the_extension_tells_the_format(tmp_path: Path, extension: str) -> None:
    assert load_document(write(tmp_path, f"kbs.{extension}", FORMATS[extension])) == EXPECTED


@pytest.mark.parametrize("extension", FORMATS)
def test_a_name_without_a_file_is_tried_with_each_extension(tmp_path: Path, extension: str) -> None:
    write(tmp_path, f"kbs.local.{extension}", FORMATS[extension])
    assert load_document(str(tmp_path / "kbs.local")) == EXPECTED


def test_toml_comes_first_among_several(tmp_path: Path) -> None:
    write(tmp_path, "kbs.yaml", "a: 1")
    write(tmp_path, "kbs.toml", "a = 2")
    assert load_document(tmp_path / "kbs") == {"a": 2}


@pytest.mark.parametrize("name", ["attestation-agent.conf", "config", "kbs.ini", "kbs.TOML", "kbs.json5"])
def test_an_existing_file_of_another_extension_is_refused(tmp_path: Path, name: str) -> None:
    error = refusal(write(tmp_path, name, FORMATS["toml"]))
    assert error.code == "CONFIG-FORMAT"
    assert error.advice == "end the name of the file in .toml, .json, .yaml, .yml"


def test_no_file_at_all_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "kbs.toml").code == "CONFIG-FILE"
    assert refusal(tmp_path).code == "CONFIG-FILE"


@pytest.mark.parametrize("extension", FORMATS)
@pytest.mark.parametrize("text", ["", "\n  \n", "\ufeff"])
def test_an_empty_file_is_an_empty_document(tmp_path: Path, extension: str, text: str) -> None:
    assert load_document(write(tmp_path, f"c.{extension}", text)) == {}


def test_yaml_and_toml_of_comments_alone_are_empty(tmp_path: Path) -> None:
    assert load_document(write(tmp_path, "c.yaml", "# nothing\n")) == {}
    assert load_document(write(tmp_path, "c.toml", "# nothing\n")) == {}


def test_exactly_the_largest_size_is_read(tmp_path: Path) -> None:
    assert load_document(write(tmp_path, "c.toml", b"#" * MAX_BYTES)) == {}
    assert refusal(write(tmp_path, "d.toml", b"#" * (MAX_BYTES + 1))).code == "FILE-SIZE"


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("c.toml", "a = ", "Invalid value (at end of document)"),
        ("c.toml", "a = 1\na = 2", "Cannot overwrite a value"),
        ("c.toml", b"a = '\xff'", "byte 5 is not UTF-8"),
        ("c.toml", "a = " + "[" * 10_000, "nested deeper than 32"),
        ("c.toml", ".".join("a" * 40) + " = 1", "nested deeper than 32"),
        ("c.json", "{", "Expecting property name"),
        ("c.json", "[1]", "the document is not a table of keys"),
        ("c.json", '{"a": 1, "a": 2}', "the key 'a' stands twice in a table"),
        ("c.json", "[" * 100_000, "nested deeper than 32"),
        ("c.json", '{"a":' * 40 + "1" + "}" * 40, "nested deeper than 32"),
        ("c.yaml", "a: 1\na: 2", "line 1: a key stands twice in a table"),
        ("c.yaml", "a: &x [1]\nb: *x", "line 2: aliases are not allowed"),
        ("c.yaml", "a: !!python/object/apply:os.system [id]", "could not determine a constructor"),
        ("c.yaml", "1: 2", "the key 1 is not a text"),
        ("c.yaml", "a: !!set {x, y}", "set is not a kind of value that a configuration has"),
        ("c.yaml", "a: !!int hunter2", "a value does not fit its tag"),
        ("c.yaml", "a: b: c", "line 1: mapping values are not allowed here"),
        ("c.yaml", "- a", "the document is not a table of keys"),
        ("c.yaml", "--- 1\n--- 2", "line 2: but found another document"),
        ("c.yaml", "\x01", "not YAML"),
        ("c.yml", "[" * 5000, "nested deeper than 32"),
    ],
)
def test_what_is_refused_names_the_reason(tmp_path: Path, name: str, text: str | bytes, reason: str) -> None:
    error = refusal(write(tmp_path, name, text))
    assert error.code == "CONFIG-SYNTAX"
    assert reason in error.message


def test_the_largest_depth_is_allowed(tmp_path: Path) -> None:
    keys = MAX_DEPTH - 1
    document = load_document(write(tmp_path, "c.json", '{"a":' * keys + "{}" + "}" * keys))
    for _ in range(keys):
        document = document["a"]
    assert document == {}


def test_a_refusal_of_a_value_does_not_show_it(tmp_path: Path) -> None:
    assert "hunter2" not in str(refusal(write(tmp_path, "c.yaml", "a: !!int hunter2")))


def test_yaml_has_the_types_of_its_core_schema(tmp_path: Path) -> None:
    text = "a: on\nb: 010\nc: 0x10\nd: 1:30\ne: 2024-01-01\nf: ~\ng:\nh: 1.5e3\ni: yes\nj: True\nk: 0o10\nl: '1'\nm: <<"
    assert load_document(write(tmp_path, "c.yaml", text)) == {
        "a": "on", "b": 10, "c": 16, "d": "1:30", "e": "2024-01-01", "f": None, "g": None, "h": 1500.0,
        "i": "yes", "j": True, "k": 8, "l": "1", "m": "<<",
    }  # fmt: skip


def test_toml_dates_become_their_texts(tmp_path: Path) -> None:
    text = "a = 2026-11-25\nb = [2026-11-25T15:00:00Z]\nc = 15:00:00"
    expected = {"a": "2026-11-25", "b": ["2026-11-25T15:00:00+00:00"], "c": "15:00:00"}
    assert load_document(write(tmp_path, "c.toml", text)) == expected


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("extension", FORMATS)
@given(data=st.binary(max_size=60) | st.text(alphabet="{}[]:,-=\"'.&*!<>|#a1\n ", max_size=60).map(str.encode))
def test_a24_any_bytes_are_a_document_or_the_one_error(tmp_path: Path, extension: str, data: bytes) -> None:
    try:
        document = load_document(write(tmp_path, f"c.{extension}", data))
    except ConfigError as error:
        assert error.code == "CONFIG-SYNTAX"  # noqa: PT017  # either outcome is right
        return
    assert is_plain(document)


def is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_plain(inner) for key, inner in value.items())
    if isinstance(value, list):
        return all(is_plain(inner) for inner in value)
    return value is None or isinstance(value, (str, int, float))
