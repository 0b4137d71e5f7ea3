"""Errors of the reference value provider.

    ReferenceValueError
    ├── RegistrationError            a registration that is refused
    │   ├── MessageError             not a message of version 0.1.0: RVPS-MESSAGE, RVPS-VERSION, RVPS-SIZE
    │   ├── UnknownExtractorError    no extractor for the type of the payload
    │   ├── SampleRefusedError       the sample extractor, where anyone could have sent the message
    │   └── PayloadError             not what its extractor reads: RVPS-BASE64, RVPS-PAYLOAD, RVPS-VALUES, RVPS-VALUE
    ├── RemoteError                  another RVPS refused, or its answer is none: RVPS-REMOTE, RVPS-REMOTE-ANSWER
    │   └── UnreachableError         it did not answer: RVPS-UNREACHABLE, RVPS-TIMEOUT
    ├── RecordError                  a stored record that cannot be read; it is kept, and never served
    └── ExtractorLoadError           an extractor that is installed and does not load

`message` is the text that upstream sends in that place, where it has one: servers put `advice` and `code` behind it.
A name that the store cannot keep is a `KeyRefusedError` of the store.
"""

from __future__ import annotations

from attestack_common.errors import AttestackError


class ReferenceValueError(AttestackError):
    """The base of this package's errors."""

    default_code = "RVPS"


class RegistrationError(ReferenceValueError):
    """A registration that is refused. Nothing of it was stored."""

    default_code = "RVPS-REGISTRATION"


class MessageError(RegistrationError):
    """Not a registration message of version 0.1.0."""

    default_code = "RVPS-MESSAGE"


class UnknownExtractorError(RegistrationError):
    """There is no extractor for the type of the payload."""

    default_code = "RVPS-EXTRACTOR"


class SampleRefusedError(RegistrationError):
    """The sample extractor believes whatever it is sent, and is refused where anyone could have sent it."""

    default_code = "RVPS-SAMPLE-REFUSED"


class PayloadError(RegistrationError):
    """A payload that is not what its extractor reads, or has values that are not kept."""

    default_code = "RVPS-PAYLOAD"


class RemoteError(ReferenceValueError):
    """Another RVPS refused, or gave an answer that is none. The code is that of the other side where it sends one."""

    default_code = "RVPS-REMOTE"


class UnreachableError(RemoteError):
    """Another RVPS did not answer."""

    default_code = "RVPS-UNREACHABLE"


class RecordError(ReferenceValueError):
    """A stored record that cannot be read. It is kept, and never served."""

    default_code = "RVPS-RECORD"


class ExtractorLoadError(ReferenceValueError):
    """An extractor that is installed and does not load."""

    default_code = "RVPS-EXTRACTOR-LOAD"
