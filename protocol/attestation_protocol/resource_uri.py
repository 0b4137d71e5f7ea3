"""Resource URIs, and the path of a resource.

    kbs[+<plugin>]://[<host>[:<port>]]/<segment>[/<segment>...][?<query>]

The scheme is read in any case, the plugin with it, as URL libraries do. `kbs` is short for `kbs+resource`. The host
names no server: the broker's address comes from configuration. It is parsed so that a URI that names one (an IPv6
literal too) is understood, and kept so that it can be shown.

A resource's path has three segments, repository, type and tag, each `[A-Za-z0-9_-][A-Za-z0-9_.-]*`. Dot segments,
written plainly or percent-encoded, empty segments and control characters are refused: URL libraries fold them in
different ways, and a secret must have one name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import unquote, urlsplit

from attestation_protocol.errors import ResourceUriError
from attestation_protocol.records import Record

DEFAULT_PLUGIN: Final = "resource"
MAX_URI_LENGTH: Final = 4096

_SEGMENT: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", re.ASCII)
_PLUGIN: Final = re.compile(r"[a-z0-9][a-z0-9_-]*", re.ASCII)
_PRINTABLE: Final = re.compile(r"[!-~]*", re.ASCII)


class ResourcePath(Record, frozen=True):
    """The path of a resource: repository, type and tag."""

    repository: str
    type: str
    tag: str

    def __post_init__(self) -> None:
        """Refuse segments that are not of the form. Raises ResourceUriError."""
        for segment in (self.repository, self.type, self.tag):
            if not _SEGMENT.fullmatch(segment):
                raise ResourceUriError(
                    f"{segment!r:.80} cannot be a segment of a resource path",
                    code="RESOURCE-PATH",
                    advice="use letters, digits, `_`, `-` and, not first, `.`",
                )

    @classmethod
    def of(cls, segments: tuple[str, ...] | list[str]) -> Self:
        """Make a path of exactly three segments. Raises ResourceUriError."""
        if len(segments) != 3:  # noqa: PLR2004  # repository, type, tag
            raise ResourceUriError(
                f"a resource path has three segments, not {len(segments)}",
                code="RESOURCE-PATH",
                advice="name it repository/type/tag",
            )
        return cls(*segments)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `repository/type/tag`; one leading slash is allowed. Raises ResourceUriError."""
        return cls.of(text.removeprefix("/").split("/"))

    def __str__(self) -> str:
        return f"{self.repository}/{self.type}/{self.tag}"


@dataclass(frozen=True, slots=True)
class ResourceUri:
    """A parsed resource URI."""

    segments: tuple[str, ...]
    plugin: str = DEFAULT_PLUGIN
    query: str = ""
    host: str = field(default="", compare=False)
    """Host and port as written; no part of the identity of what is named."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a URI. Raises ResourceUriError."""
        if len(text) > MAX_URI_LENGTH or not _PRINTABLE.fullmatch(text):
            raise ResourceUriError("a resource URI is at most 4096 printable ASCII characters without spaces")
        scheme, separator, rest = text.partition("://")
        if not separator:
            raise ResourceUriError(f"{text!r:.80} is not a resource URI", advice="write kbs:///repository/type/tag")
        base, plus, plugin = scheme.lower().partition("+")
        if base != "kbs" or (plus and not _PLUGIN.fullmatch(plugin)):
            raise ResourceUriError(f"the scheme {scheme!r:.40} is neither kbs nor kbs+<plugin>")
        try:
            split = urlsplit("http://" + rest)
            _ = split.port  # raises where the port is no number
        except ValueError:
            raise ResourceUriError("the host or port of the resource URI is malformed") from None
        if "#" in rest or split.username is not None:
            raise ResourceUriError("a resource URI has neither a fragment nor user information")
        segments = tuple(split.path.removeprefix("/").split("/"))
        for segment in segments:
            _check_segment(segment)
        return cls(segments, plugin or DEFAULT_PLUGIN, split.query, split.netloc)

    @property
    def request_target(self) -> str:
        """Plugin, path and query as they stand below `/kbs/v0/` in a request to the broker."""
        path = "/".join((self.plugin, *self.segments))
        return f"{path}?{self.query}" if self.query else path

    @property
    def resource_path(self) -> ResourcePath:
        """The path of a resource. Raises ResourceUriError when it has not exactly three valid segments."""
        return ResourcePath.of(self.segments)

    def __str__(self) -> str:
        scheme = "kbs" if self.plugin == DEFAULT_PLUGIN else f"kbs+{self.plugin}"
        query = f"?{self.query}" if self.query else ""
        return f"{scheme}://{self.host}/{'/'.join(self.segments)}{query}"


def _check_segment(segment: str) -> None:
    plain = unquote(segment)
    if not segment:
        raise ResourceUriError("a resource URI has an empty path segment", code="RESOURCE-PATH")
    if plain in {".", ".."} or "/" in plain or "\\" in plain or "%" in plain or any(ord(c) < ord(" ") for c in plain):
        raise ResourceUriError(
            f"{segment!r:.80} cannot be a segment of a resource URI",
            code="RESOURCE-PATH",
            advice="dot segments, encoded slashes and control characters are refused, however they are written",
        )
