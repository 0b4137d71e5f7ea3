"""Canonical JSON, RFC 8785 (JCS): what both ends hash must be the same bytes."""

from __future__ import annotations

from typing import Final

import msgspec
import rfc8785

from attestation_protocol.errors import EncodingError

_OF_TEXTS: Final = msgspec.json.Encoder(order="sorted")


def canonical_json(value: object) -> bytes:
    """Encode: members sorted by UTF-16 code units, no white space, minimal escapes, shortest numbers.

    Raises EncodingError for what has no canonical form, integers beyond 2^53 among it: peers round those differently.
    """
    try:
        if _only_texts(value):
            return _OF_TEXTS.encode(value)
        return rfc8785.dumps(value)  # type: ignore[arg-type]  # anything else is what it raises on
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError):
        raise EncodingError("the JSON value has no canonical form (RFC 8785)", code="JSON-CANONICAL") from None


def _only_texts(value: object) -> bool:
    """Whether a value is an object of texts and such objects, named in ASCII, as runtime data are.

    Only numbers, and the order of names beyond ASCII, are what `msgspec` writes in another way.
    """
    if type(value) is not dict:
        return False
    for name, member in value.items():  # a loop: `all` would start one more for each object
        if type(name) is not str or not name.isascii() or not (type(member) is str or _only_texts(member)):
            return False
    return True
