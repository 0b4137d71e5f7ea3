"""Errors of this package, and the error document that a Key Broker Service sends.

    ProtocolError                 bytes from outside are not what the protocol allows
    ├── EncodingError             base64, JSON or TOML text that does not decode
    ├── MessageError              an RCAR message that lacks a member or has one of a wrong type
    ├── UnknownTeeError           a TEE name that the protocol does not know
    ├── ResourceUriError          not a resource URI or resource path
    ├── InitDataError             init-data that is not the TOML document of the specification
    ├── KeyFormatError            a JWK or PEM key of a form that the protocol does not use
    ├── JweError                  a JWE that cannot be built, or does not open
    ├── TokenFormatError          not a compact JWS with JSON inside
    └── EvidenceFormatError       evidence that is not laid out as its TEE's specification says

Every error has a `code` that never changes and a message that says what to look at. Neither holds a secret.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import ClassVar, Final, Protocol, Self

ERROR_TYPE_PREFIX: Final = "https://github.com/confidential-containers/kbs/errors/"
"""What stands before the variant in `type` (it says kbs, not trustee, as stock guests expect)."""

MAX_ERROR_DOCUMENT: Final = 64 * 1024
"""Bytes of an error document that is read, at the most."""

_WIRE_TEXT: Final = re.compile(
    r"(?: \((?P<advice>[^()\x00-\x1f\x7f]{1,500})\))? \[(?P<code>[A-Z0-9-]{1,60})\]\Z", re.ASCII
)


class ProtocolError(ValueError):
    """Base of this package's errors. `code` is stable; `advice` says what to do next, or is empty."""

    default_code: ClassVar[str] = "PROTOCOL"

    def __init__(self, message: str, *, code: str | None = None, advice: str = "") -> None:
        self.code = code or self.default_code
        self.message = message
        self.advice = advice
        super().__init__(f"{message} [{self.code}]")


class EncodingError(ProtocolError):
    """Base64, JSON or TOML text that does not decode."""

    default_code = "ENCODING"


class MessageError(ProtocolError):
    """An RCAR message that lacks a member or has one of a wrong type."""

    default_code = "RCAR-MESSAGE"


class UnknownTeeError(ProtocolError):
    """A TEE name that the protocol does not know."""

    default_code = "TEE-UNKNOWN"


class ResourceUriError(ProtocolError):
    """Not a resource URI or resource path."""

    default_code = "RESOURCE-URI"


class InitDataError(ProtocolError):
    """Init-data that is not the TOML document of the specification."""

    default_code = "INIT-DATA"


class KeyFormatError(ProtocolError):
    """A JWK or PEM key of a form that the protocol does not use."""

    default_code = "KEY-FORMAT"


class JweError(ProtocolError):
    """A JWE that cannot be built, or does not open."""

    default_code = "JWE"


class TokenFormatError(ProtocolError):
    """Not a compact JWS with JSON inside."""

    default_code = "TOKEN-FORMAT"


class EvidenceFormatError(ProtocolError):
    """Evidence that is not laid out as its TEE's specification says."""

    default_code = "EVIDENCE-FORMAT"


def wire_text(text: str, code: str, advice: str = "") -> str:
    """Put a stable code, and what to do, behind the text that upstream sends in that place: `text (advice) [CODE]`."""
    return f"{text} ({advice}) [{code}]" if advice else f"{text} [{code}]"


class CodedError(Protocol):
    """What the errors of all our packages have, whatever their base."""

    message: str
    code: str
    advice: str


def wire_text_of(error: CodedError) -> str:
    """Return the text that an error travels with: `message (advice) [CODE]`."""
    return wire_text(error.message, error.code, error.advice)


def code_of(text: str) -> str | None:
    """Return the code at the end of a text that `wire_text` made, or None."""
    match = _WIRE_TEXT.search(text)
    return match["code"] if match else None


def advice_of(text: str) -> str:
    """Return the advice in a text that `wire_text` made, or an empty string."""
    match = _WIRE_TEXT.search(text)
    return (match["advice"] or "") if match else ""


def text_of(text: str) -> str:
    """Return a text that `wire_text` made without its advice and code; any other as it is."""
    return _WIRE_TEXT.sub("", text)


@dataclass(frozen=True, slots=True)
class ErrorInformation:
    """The error document of a Key Broker Service: exactly the members `type` and `detail`, in this order."""

    variant: str
    """The last segment of `type`, for example `PolicyDeny`; the whole of `type` where the prefix is a foreign one."""
    detail: str

    @property
    def type(self) -> str:
        """The URI that names the kind of error."""
        return self.variant if ":" in self.variant else ERROR_TYPE_PREFIX + self.variant

    @property
    def code(self) -> str | None:
        """The stable code at the end of `detail`; None when the peer sends none."""
        return code_of(self.detail)

    def to_json(self) -> bytes:
        """Encode compactly, in UTF-8."""
        return json.dumps(
            {"type": self.type, "detail": self.detail}, separators=(",", ":"), ensure_ascii=False
        ).encode()

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read an error document; members beyond the two are ignored. Raises MessageError.

        Its texts are the peer's words: they are shown and passed on, so they are whole and not endless.
        """
        try:
            document = json.loads(body) if len(body) <= MAX_ERROR_DOCUMENT else None
            json.dumps(document, ensure_ascii=False).encode()  # half of a surrogate pair could not be passed on
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise MessageError("the body is not an error document", code="ERROR-DOCUMENT")
        kind, detail = document.get("type"), document.get("detail")
        if not isinstance(kind, str) or not isinstance(detail, str):
            raise MessageError("the error document lacks `type` or `detail`", code="ERROR-DOCUMENT")
        return cls(kind.removeprefix(ERROR_TYPE_PREFIX), detail)
