"""What an extractor is, and what they share. An extractor is pure; its payload comes from outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from attestation_protocol.encoding import b64std_decode
from attestation_protocol.errors import EncodingError

from reference_value_provider.errors import PayloadError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, slots=True)
class Extractor:
    """An extractor, as the registry hands it out."""

    type: str
    """What messages call it."""
    extract: Callable[[str], Mapping[str, Any]]
    """Read the payload of a message: JSON values by name. Raises PayloadError."""
    believes_anyone: bool = False
    """Whether the payload is taken as it is, with nothing in it that says who vouches for it."""


def base64_payload(payload: str) -> bytes:
    """Decode a payload in base64 (standard alphabet, padded). Raises PayloadError with upstream's text."""
    try:
        return b64std_decode(payload)
    except EncodingError:
        raise PayloadError(
            "base64 decode", code="RVPS-BASE64", advice="encode the payload in base64, standard alphabet with padding"
        ) from None
