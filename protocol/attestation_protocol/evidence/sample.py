"""Sample evidence, which proves nothing: it exists so that the flow can be tried without hardware.

    {"svn": "1", "report_data": "<base64>"}

`svn` is a text that the guest makes up, `report_data` the bytes that it was asked to bind, of any length, or absent for
none. Members beyond the two are ignored. `sample` and `sampledevice` have the same evidence.
"""

from __future__ import annotations

from typing import Any, Final, Self

from attestation_protocol.encoding import b64std_decode, b64std_encode
from attestation_protocol.errors import EncodingError, EvidenceFormatError
from attestation_protocol.records import Record

MAX_SVN: Final = 256
"""Characters of a security version at the most."""


class SampleEvidence(Record, frozen=True):
    """What a guest without hardware says of itself."""

    svn: str
    report_data: bytes = b""

    @classmethod
    def parse(cls, value: Any) -> Self:  # noqa: ANN401  # a JSON value from outside
        """Read a JSON value. Raises EvidenceFormatError."""
        if not isinstance(value, dict):
            raise EvidenceFormatError("sample evidence is a JSON object", code="SAMPLE-FIELD")
        svn, report_data = value.get("svn"), value.get("report_data", "")
        if not isinstance(svn, str) or len(svn) > MAX_SVN:
            raise EvidenceFormatError(f"`svn` is a text of at most {MAX_SVN} characters", code="SAMPLE-FIELD")
        if not isinstance(report_data, str):
            raise EvidenceFormatError("`report_data` is a base64 text", code="SAMPLE-FIELD")
        try:
            return cls(svn, b64std_decode(report_data))
        except EncodingError as error:
            raise EvidenceFormatError(f"`report_data`: {error.message}", code="SAMPLE-FIELD") from None

    def to_json(self) -> dict[str, str]:
        """Return the JSON value that `parse` reads."""
        return {"svn": self.svn, "report_data": b64std_encode(self.report_data)}
