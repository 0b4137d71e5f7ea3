"""Resource URIs and paths: parsed and written again without loss, or refused with ResourceUriError."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attestation_protocol.errors import ResourceUriError
from attestation_protocol.resource_uri import ResourcePath, ResourceUri

if TYPE_CHECKING:
    from collections.abc import Iterable


def target(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    try:
        uri = ResourceUri.parse(text)
    except ResourceUriError:
        uri = None
    if uri is not None:
        assert ResourceUri.parse(str(uri)) == uri
        assert "//" not in uri.request_target.partition("?")[0]
        assert ".." not in uri.request_target.partition("?")[0].split("/")
    try:
        path = ResourcePath.parse(text)
    except ResourceUriError:
        return
    assert ResourcePath.parse(str(path)) == path


def seeds() -> Iterable[bytes]:
    return (
        b"kbs:///default/key/1",
        b"kbs+resource://example.org:8080/a-b/c.d/e_f",
        b"kbs+sample://[::1]:8080/one/two?x=y&z=%20",
        b"kbs:///a/%2e%2e/b",
        b"/my_repo/resource_type/123abc",
    )


TARGET = target
SEEDS = seeds
