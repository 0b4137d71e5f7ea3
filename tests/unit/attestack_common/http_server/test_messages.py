"""How requests are decoded: path, query, header fields; what a request shows of itself."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import pytest
from attestack_common.http_server import Limits, Request, Response
from attestack_common.http_server.messages import decode_path, parse_query
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/kbs/v0/auth", "/kbs/v0/auth"),
        (b"/a%2Fb%2fc", "/a/b/c"),
        (b"/%72esource", "/resource"),
        (b"/a+b", "/a+b"),
        (b"/a%20b", "/a b"),
        (b"/%zz%1", "/%zz%1"),
        (b"/%252F", "/%2F"),
        (b"/%2e%2e/x", "/../x"),
        (b"/a%00b", "/a\0b"),
        (b"/gr%C3%BCn", "/grün"),
        (b"/%ff%C3", "/\ufffd\ufffd"),
        (b"/%0A", "/\n"),
        (b"//a//", "//a//"),
        (b"*", "*"),
    ],
)
def test_the_path_is_decoded_wholly_and_once(raw: bytes, path: str) -> None:
    assert Request("GET", raw).path == path


@pytest.mark.parametrize(
    ("raw", "query"),
    [
        (b"", {}),
        (b"a=1&a=2", {"a": "2"}),
        (b"a", {"a": ""}),
        (b"a=", {"a": ""}),
        (b"=b", {"": "b"}),
        (b"a=b=c", {"a": "b=c"}),
        (b"&&a=1&", {"a": "1"}),
        (b"a=1;b=2", {"a": "1;b=2"}),
        (b"a+b=c+d", {"a b": "c d"}),
        (b"a=%2B%26%3D", {"a": "+&="}),
        (b"%zz", {"%zz": ""}),
        (b"a=%zz%4", {"a": "%zz%4"}),
        (b"a=%ff", {"a": "\ufffd"}),
        (b"runtime_data=eHh4eA%3D%3D&encoding=base64", {"runtime_data": "eHh4eA==", "encoding": "base64"}),
    ],
)
def test_the_query_is_decoded_as_a_form(raw: bytes, query: dict[str, str]) -> None:
    assert Request("GET", b"/p?" + raw).query == query


def test_path_and_query_split_at_the_first_question_mark() -> None:
    request = Request("GET", b"/a%3Fb?c=?d")
    assert (request.path, request.query) == ("/a?b", {"c": "?d"})
    assert request.raw_target == b"/a%3Fb?c=?d"


def test_header_fields_are_found_by_their_names_in_lower_case() -> None:
    request = Request("GET", b"/", raw_headers=[(b"authorization", b"Bearer x"), (b"x-name", "grün".encode("latin-1"))])
    assert request.header("authorization") == "Bearer x"
    assert request.header("x-name") == "grün"
    assert request.header("cookie") is None
    assert dict(request.headers) == {"authorization": "Bearer x", "x-name": "grün"}


def test_a_doubled_credential_is_neither_of_the_two() -> None:
    request = Request("GET", b"/", raw_headers=[(b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")])
    assert request.header("authorization") == "Bearer a, Bearer b"


def test_cookies_are_joined_as_cookies() -> None:
    request = Request("GET", b"/", raw_headers=[(b"cookie", b"a=1"), (b"cookie", b"b=2")])
    assert request.header("cookie") == "a=1; b=2"


def test_what_is_given_is_not_decoded_again() -> None:
    request = Request("GET", b"/raw", "/given", {"a": "b"}, {"x": "y"}, b"body", "127.0.0.1")
    assert (request.path, request.query, request.header("x")) == ("/given", {"a": "b"}, "y")
    assert (request.body, request.client_host) == (b"body", "127.0.0.1")


def test_a35_a_request_shows_neither_query_nor_headers_nor_body() -> None:
    request = Request("PUT", b"/p?token=hunter2", body=b"hunter2", raw_headers=[(b"authorization", b"hunter2")])
    assert repr(request) == "Request('PUT', '/p', 7 bytes)"


def test_defaults() -> None:
    assert Response() == Response(200, b"", None, (), close=False)
    limits = Limits()
    assert (limits.head_bytes, limits.body_bytes, limits.head_fields) == (131_072, 2_097_152, 96)


@given(st.text())
def test_a_path_survives_its_encoding(path: str) -> None:
    encodable = path.encode("utf-8", "replace").decode()
    assert decode_path(quote(encodable, safe="").encode()) == encodable


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=5))
def test_a_query_survives_its_encoding(query: dict[str, str]) -> None:
    assert parse_query(urlencode(query).encode()) == query


@given(st.binary())
def test_a24_any_bytes_decode(raw: bytes) -> None:
    request = Request("GET", raw, raw_headers=[(raw, raw)])
    assert isinstance(request.path, str)
    assert all(type(text) is str for pair in request.query.items() for text in pair)
    assert len(request.headers) == 1
