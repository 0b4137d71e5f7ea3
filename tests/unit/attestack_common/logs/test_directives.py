"""Filter directives in the Rust syntax."""

from __future__ import annotations

import logging

import pytest
from attestack_common.errors import ConfigError
from attestack_common.logs.directives import OFF, parse_directives
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("info", {"": logging.INFO}),
        ("WARN", {"": logging.WARNING}),
        ("off", {"": OFF}),
        ("5", {"": logging.DEBUG}),
        ("trace", {"": logging.DEBUG}),
        ("", {"": logging.ERROR}),
        ("debug,hyper=warn", {"": logging.DEBUG, "hyper": logging.WARNING}),
        ("hyper=warn, debug", {"": logging.DEBUG, "hyper": logging.WARNING}),
        ("kbs::sessions=debug", {"": logging.ERROR, "kbs.sessions": logging.DEBUG}),
        ("kbs.sessions = error,", {"": logging.ERROR, "kbs.sessions": logging.ERROR}),
        ("attestation_agent", {"": logging.ERROR, "attestation_agent": logging.DEBUG}),
        ("info,warn", {"": logging.WARNING}),
        ("a-b=0", {"": logging.ERROR, "a-b": OFF}),
    ],
)
def test_directives(text: str, levels: dict[str, int]) -> None:
    assert parse_directives(text, source="log.level") == levels


@pytest.mark.parametrize(
    "text",
    [
        "kbs=verbose",
        "=info",
        "kbs=",
        "info=foo",
        "kbs[span]=debug",
        "kbs[{id=1}]",
        "a b",
        "kbs:sessions=info",
        "a..b=1",
        "ünï=1",
        "6=x",
    ],
)
def test_what_is_not_a_directive_is_refused_by_its_source(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_directives(f"info,{text}", source="log.level")
    assert refused.value.code == "LOG-DIRECTIVE"
    assert refused.value.message == f"log.level: {text!r} is not a log directive"
    assert "TARGET=LEVEL" in refused.value.advice


@given(st.text(max_size=40) | st.text(alphabet="info,=:kbsdebug .05", max_size=40))
def test_any_text_is_directives_or_the_one_error(text: str) -> None:
    try:
        levels = parse_directives(text, source="RUST_LOG")
    except ConfigError as error:
        assert error.code == "LOG-DIRECTIVE"  # noqa: PT017  # either outcome is right
        return
    assert "" in levels
    assert set(levels.values()) <= {OFF, logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG}
