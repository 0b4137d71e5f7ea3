"""The sample extractor: base64 of a JSON object, name by name the values themselves.

Nothing in it is signed. Whoever can send it a message sets reference values, so the service refuses it where that could
be anyone (`allow_sample`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attestation_protocol.encoding import parse_json
from attestation_protocol.errors import EncodingError

from reference_value_provider.errors import PayloadError
from reference_value_provider.extractors.contract import Extractor, base64_payload

if TYPE_CHECKING:
    from collections.abc import Mapping


def extract(payload: str) -> Mapping[str, Any]:
    """Read the payload. Raises PayloadError."""
    data = base64_payload(payload)
    try:
        values = parse_json(data)
    except EncodingError as error:
        raise _refused(error.message) from None
    if not isinstance(values, dict):
        raise _refused("not a JSON object")
    return values


def _refused(reason: str) -> PayloadError:
    return PayloadError("deseralize sample provenance", advice=f"{reason}: encode a JSON object of names and values")


EXTRACTOR: Final = Extractor("sample", extract, believes_anyone=True)
