"""Resource URIs: one name for each secret."""

from __future__ import annotations

import pytest
from attestation_protocol.errors import ResourceUriError
from attestation_protocol.resource_uri import ResourcePath, ResourceUri
from hypothesis import given
from hypothesis import strategies as st

SEGMENT = st.from_regex(r"\A[A-Za-z0-9_-][A-Za-z0-9_.-]{0,20}\Z")


@pytest.mark.parametrize(
    ("text", "target", "canonical"),
    [
        ("kbs:///default/key/1", "resource/default/key/1", "kbs:///default/key/1"),
        ("kbs+resource:///a/b/c", "resource/a/b/c", "kbs:///a/b/c"),
        ("KBS:///a/b/c", "resource/a/b/c", "kbs:///a/b/c"),
        ("Kbs+Resource:///a/b/c", "resource/a/b/c", "kbs:///a/b/c"),
        ("kbs://other.example:8080/a/b/c", "resource/a/b/c", "kbs://other.example:8080/a/b/c"),
        ("kbs://[::1]:8080/a/b/c", "resource/a/b/c", "kbs://[::1]:8080/a/b/c"),
        ("kbs+nebula-ca:///credential?name=a&ip=10.0.0.1/8", "nebula-ca/credential?name=a&ip=10.0.0.1/8", None),
        ("kbs:///one", "resource/one", "kbs:///one"),
        ("kbs:///a/b/c?x=y", "resource/a/b/c?x=y", "kbs:///a/b/c?x=y"),
    ],
)
def test_uris_of_every_form(text: str, target: str, canonical: str | None) -> None:
    uri = ResourceUri.parse(text)
    assert uri.request_target == target
    assert str(uri) == (canonical or text)
    assert ResourceUri.parse(str(uri)) == uri


def test_the_host_is_no_part_of_the_name() -> None:
    assert ResourceUri.parse("kbs://a.example/x/y/z") == ResourceUri.parse("kbs:///x/y/z")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "default/key/1",
        "http:///a/b/c",
        "kbs+:///a/b/c",
        "kbs+a/b:///a/b/c",
        "kbs:/a/b/c",
        "kbs://",
        "kbs:///",
        "kbs:///a//c",
        "kbs:///a/b/",
        "kbs:///a b/c/d",
        "kbs:///a/b/c#d",
        "kbs:///a/b/c#",
        "kbs:///a/b/c?d#",
        "kbs://user@h/a/b/c",
        "kbs://h:port/a/b/c",
        "kbs://[::1/a/b/c",
        "kbs:///a/b/\x00",
        "kbs:///a/b/é",
        "kbs:///" + "a" * 5000,
    ],
)
def test_what_is_no_resource_uri_is_refused(text: str) -> None:
    with pytest.raises(ResourceUriError) as caught:
        ResourceUri.parse(text)
    assert caught.value.code in {"RESOURCE-URI", "RESOURCE-PATH"}


@pytest.mark.parametrize(
    "segment", ["..", ".", "%2e%2e", "%2E.", "%2e", "a%2fb", "a%5Cb", "a\\b", "%00", "a%0Ab", "%252e%252e"]
)
def test_a30_segments_that_libraries_fold_are_refused_however_written(segment: str) -> None:
    with pytest.raises(ResourceUriError) as caught:
        ResourceUri.parse(f"kbs:///{segment}/b/c")
    assert caught.value.code == "RESOURCE-PATH"


@pytest.mark.parametrize(
    "path", ["a/b", "a/b/c/d", "//b/c", "a/b/", ".a/b/c", "a/b/c\n", "a/b/é", "a/b/c d", "a/b/٣", ""]
)
def test_a30_paths_have_three_plain_segments(path: str) -> None:
    with pytest.raises(ResourceUriError) as caught:
        ResourcePath.parse(path)
    assert caught.value.code == "RESOURCE-PATH"


def test_a_path_is_read_with_and_without_its_slash() -> None:
    assert str(ResourcePath.parse("/a-b/c.d/e_f")) == "a-b/c.d/e_f"
    assert ResourceUri.parse("kbs:///a-b/c.d/e_f").resource_path == ResourcePath("a-b", "c.d", "e_f")
    with pytest.raises(ResourceUriError):
        _ = ResourceUri.parse("kbs:///a/b").resource_path


@given(SEGMENT, SEGMENT, SEGMENT)
def test_every_valid_path_comes_back(repository: str, kind: str, tag: str) -> None:
    path = ResourcePath(repository, kind, tag)
    assert ResourcePath.parse(str(path)) == path
    assert ResourceUri.parse(f"kbs:///{path}").resource_path == path


@given(st.text(max_size=80) | st.text(max_size=60).map("kbs:///".__add__))
def test_a24_any_text_is_a_uri_or_the_one_error(text: str) -> None:
    try:
        uri = ResourceUri.parse(text)
    except ResourceUriError:
        return
    assert ".." not in uri.segments
    assert ResourceUri.parse(str(uri)) == uri
