"""Why the HTTP edge refuses a request: what it answers, and the code that its log line carries.

    AttestackError
    └── RefusedError              the request does not reach a handler; `status` says how it is answered
        ├── HeadError             431: the head is too long, or has too many fields
        ├── SyntaxRefusedError    400: not HTTP/1.1, or framed in a way that two readers may understand differently
        ├── BodySizeError         413: the body is longer than the limit
        ├── BodyEncodingError     400: the body is not what its `content-encoding` says
        ├── BodyTimeError         408: the body does not end in time
        ├── HandlerTimeError      503: the handler does not end in time
        └── BusyError             503: too many connections

The texts of 413 and 400 are those of the Rust services; every other refusal has an empty body.
"""

from __future__ import annotations

from typing import ClassVar, Final

from attestack_common.errors import AttestackError

PLAIN_TEXT: Final = "text/plain; charset=utf-8"


class RefusedError(AttestackError):
    """A request that does not reach a handler. `status` is the HTTP status, `wire_text` the body of the answer."""

    status: ClassVar[int]

    @property
    def wire_text(self) -> str:
        """What the peer is told; mostly nothing."""
        return ""


class HeadError(RefusedError):
    """The head is too long, or has too many fields."""

    default_code = "HTTP-HEAD"
    status = 431


class SyntaxRefusedError(RefusedError):
    """Not HTTP/1.1, or framed in a way that two readers may understand differently."""

    default_code = "HTTP-SYNTAX"
    status = 400


class BodySizeError(RefusedError):
    """The body is longer than the limit, on the wire or inflated."""

    default_code = "HTTP-BODY-SIZE"
    status = 413

    @property
    def wire_text(self) -> str:
        """The text of the Rust services."""
        return "payload reached size limit"


class BodyEncodingError(RefusedError):
    """The body is not what its `content-encoding` says."""

    default_code = "HTTP-BODY-ENCODING"
    status = 400

    @property
    def wire_text(self) -> str:
        """The text of the Rust services, around our own reason."""
        reason = f'Some(Custom {{ kind: InvalidInput, error: "{self.message}" }})'
        return f"payload reached EOF before completing: {reason}"


class BodyTimeError(RefusedError):
    """The body does not end in time."""

    default_code = "HTTP-BODY-TIME"
    status = 408


class HandlerTimeError(RefusedError):
    """The handler does not end in time."""

    default_code = "HTTP-HANDLER-TIME"
    status = 503


class BusyError(RefusedError):
    """There are too many connections."""

    default_code = "HTTP-BUSY"
    status = 503
