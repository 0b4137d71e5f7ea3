"""Extractors: the sample one, and the registry."""

from __future__ import annotations

import base64
from importlib.metadata import EntryPoint
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference_value_provider.errors import ExtractorLoadError, PayloadError
from reference_value_provider.extractors import registry
from reference_value_provider.extractors.contract import Extractor
from reference_value_provider.extractors.sample import EXTRACTOR, extract


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def refusal(payload: str) -> tuple[str, str]:
    with pytest.raises(PayloadError) as caught:
        extract(payload)
    assert caught.value.advice
    return caught.value.message, caught.value.code


def test_the_values_are_taken_as_they_are() -> None:
    payload = encoded(b'{"b":["1"],"a":{"x":null},"":0}')
    assert extract(payload) == {"b": ["1"], "a": {"x": None}, "": 0}
    assert list(extract(payload)) == ["b", "a", ""]
    assert extract("e30=") == {}


@pytest.mark.parametrize("payload", ["!!", "e30", "e30==", "e3 0=", "e30=\n", "_-8=", "ä", "e31="])
def test_what_is_not_base64_is_refused_in_upstreams_words(payload: str) -> None:
    assert refusal(payload) == ("base64 decode", "RVPS-BASE64")


@pytest.mark.parametrize(
    "data",
    [b"", b"junk", b"[]", b"1", b"null", b'{"a":1,"a":2}', b'{"a":NaN}', b'{"a":1e999}', b"\xff", b'{"a":"\\ud800"}'],
)
def test_what_is_not_a_json_object_is_refused_in_upstreams_words(data: bytes) -> None:
    assert refusal(encoded(data)) == ("deseralize sample provenance", "RVPS-PAYLOAD")


@given(st.text(max_size=60) | st.binary(max_size=60).map(encoded))
def test_any_payload_is_read_or_refused(payload: str) -> None:
    try:
        extract(payload)
    except PayloadError as error:
        assert error.code in {"RVPS-BASE64", "RVPS-PAYLOAD"}  # noqa: PT017  # either outcome is right


def test_the_sample_extractor_says_that_it_believes_anyone() -> None:
    assert EXTRACTOR.believes_anyone is True


def test_the_installed_extractors() -> None:
    assert registry.installed()["sample"] is EXTRACTOR


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("no_such_module_at_all:EXTRACTOR", "the extractor odd does not load: No module named 'no_such_module_at_all'"),
        ("reference_value_provider.errors:NOTHING", "the extractor odd does not load: "),
        ("reference_value_provider.extractors.sample:EXTRACTOR", "is not the extractor odd"),
        ("reference_value_provider.extractors.sample:extract", "is not the extractor odd"),
    ],
)
def test_an_extractor_that_does_not_load_is_an_error(monkeypatch: pytest.MonkeyPatch, value: str, reason: str) -> None:
    def found(*, group: str) -> list[EntryPoint]:
        return [EntryPoint("odd", value, group)]

    monkeypatch.setattr(registry, "entry_points", found)
    with pytest.raises(ExtractorLoadError) as caught:
        registry.installed()
    assert caught.value.code == "RVPS-EXTRACTOR-LOAD"
    assert reason in caught.value.message


def test_an_extractor_of_another_package_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    other = Extractor("other", lambda payload: {payload: 1})

    def found(**_: object) -> list[Any]:
        return [type("Entry", (), {"name": "other", "value": "x", "module": "x", "load": staticmethod(lambda: other)})]

    monkeypatch.setattr(registry, "entry_points", found)
    assert registry.installed() == {"other": other}
    assert other.believes_anyone is False
