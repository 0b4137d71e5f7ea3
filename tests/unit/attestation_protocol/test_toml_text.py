"""TOML from outside: what `tomllib` reads, unless its keys would cost too much."""

from __future__ import annotations

import tomllib

import pytest
from attestation_protocol.errors import EncodingError
from attestation_protocol.toml_text import MAX_DOTS, MAX_DOTS_OF_A_LINE, parse_toml
from hypothesis import given
from hypothesis import strategies as st

DOTS = ".a" * MAX_DOTS_OF_A_LINE
PIECES = st.sampled_from(
    ['"', "'", '"""', "'''", "\\", "\n", "#", ".", "a", " ", "=", "[", "]", "{", "}", ",", "a.b", DOTS, 'a="""', "\r"]
)


@pytest.mark.parametrize(
    "text",
    [
        f"a{DOTS} = 1",
        f"[a{DOTS}]\nx = '{DOTS}.a'",
        f'a = "{DOTS}{DOTS}" # {DOTS}{DOTS}',
        f"a = '{DOTS}{DOTS}'",
        f'a = """\n{DOTS}{DOTS} \\""" ""{DOTS}"""',
        f'a = """{DOTS}"""""\nb = "{DOTS}"',
        f"a = '''\n{DOTS}''{DOTS}'''''",
        f'a = "\\"{DOTS}\\\\"\nb = "{DOTS}"',
    ],
)
def test_dots_in_texts_and_comments_are_not_counted(text: str) -> None:
    assert parse_toml(text) == tomllib.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        f"a{DOTS}.a = 1",
        f"[a{DOTS}.a]",
        f"[[a{DOTS}.a]]",
        f"x = {{ a{DOTS}.a = 1 }}",
        f'x = {{ b = """y"""", a{DOTS}.a = 1, c = "z" }}',
        f"x = {{ b = '''y''''', a{DOTS}.a = 1, c = 'z' }}",
        f'x = {{ b = "\\\\", a{DOTS}.a = 1, c = "z" }}',
        f"x = {{ b = '\\', a{DOTS}.a = 1, c = 'z' }}",
        '"!"' + '."!"' * (MAX_DOTS_OF_A_LINE + 1) + " = 1",
        "a" + " . a" * (MAX_DOTS_OF_A_LINE + 1) + " = 1",
        "".join(f"[a.k{number}]\n" for number in range(MAX_DOTS + 1)),
    ],
)
def test_a24_keys_that_would_cost_too_much_are_refused_before_they_are_read(text: str) -> None:
    with pytest.raises(EncodingError) as caught:
        parse_toml(text)
    assert caught.value.code == "TOML-KEYS"


@pytest.mark.parametrize(
    "text", ["x", "a = 1\na = 2", "a = [" * 5000, "a = '\udc80'", f'a = """{DOTS}.a', "\ufeffa = 1"]
)
def test_what_is_no_document_is_refused(text: str) -> None:
    with pytest.raises(EncodingError) as caught:
        parse_toml(text)
    assert caught.value.code == "TOML"


def test_a24_a_megabyte_of_any_of_these_takes_linear_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were it not so, this would not end within the time limit of a test."""
    monkeypatch.setattr(tomllib, "loads", lambda text: {"length": len(text)})
    for unit in ('"\\\n', "'\n", "'''\n'", '"""\n\\', '""', '"', "\\", "#", '\\"""\n', '"""\n\\"', "a."):
        text = ".\n" * (MAX_DOTS_OF_A_LINE + 1) + unit * (2**20 // len(unit))
        try:
            assert parse_toml(text)["length"] == len(text)
        except EncodingError as error:
            assert (unit, error.code) == ("a.", "TOML-KEYS")  # noqa: PT017  # the others have few dots


@given(st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=60))
def test_a24_a_document_that_is_read_has_short_keys(text: str) -> None:
    """The count agrees with the reader on where texts end: no key that is read is longer than the bound."""
    try:
        document = parse_toml(text)
    except EncodingError as error:
        assert error.code in {"TOML", "TOML-KEYS"}  # noqa: PT017  # either refusal is right
        return
    layer, depth = [document], 0
    while layer:
        layer = [inner for table in layer for inner in table.values() if isinstance(inner, dict)]
        depth += 1
    assert depth <= (MAX_DOTS_OF_A_LINE + 2) * (1 + text.count("\n") + text.count("{"))
