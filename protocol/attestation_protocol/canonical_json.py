"""Canonical JSON, RFC 8785 (JCS): what both ends hash must be the same bytes."""

from __future__ import annotations

import rfc8785

from attestation_protocol.errors import EncodingError


def canonical_json(value: object) -> bytes:
    """Encode: members sorted by UTF-16 code units, no white space, minimal escapes, shortest numbers.

    Raises EncodingError for what has no canonical form, integers beyond 2^53 among it: peers round those differently.
    """
    try:
        return rfc8785.dumps(value)  # type: ignore[arg-type]  # anything else is what it raises on
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError):
        raise EncodingError("the JSON value has no canonical form (RFC 8785)", code="JSON-CANONICAL") from None
