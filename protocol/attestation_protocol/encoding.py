"""Base64 in the two forms of the protocol, and JSON text from outside.

    b64url   URL-safe alphabet without padding (RFC 4648 section 5); padding is refused
    b64std   standard alphabet with padding (RFC 4648 section 4)

JSON from outside is bounded in depth, and refused when it has a member twice, a number that is not finite or a lone
surrogate: two readers must not be able to understand one text differently.

Most texts are compact, as both ends write them. If what would be written of the value that was read is the text itself,
byte for byte, it cannot break any of those rules: nothing of the kind is ever written. Such a text is read and written
in C; all others are read by a decoder that is asked about each object.
"""

from __future__ import annotations

import binascii
import json
import math
import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from attestation_protocol.errors import EncodingError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Plain: TypeAlias = str | int | msgspec.Raw | Mapping[str, "Plain"] | Sequence["Plain"] | None
    """JSON without fractions. Raw is JSON that is encoded already."""

MAX_JSON_DEPTH: Final = 64
"""How deep arrays and objects may be nested."""

_DEEP: Final = re.compile(r'(?:\s{0,8}(?:\[|\{\s{0,8}"[^"\\]{0,64}"\s{0,8}:)){65}')
"""The beginning of a text that opens more arrays and objects than may be nested."""
_STANDARD: Final = re.compile(rb"[A-Za-z0-9+/]*={0,2}", re.ASCII)
_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
_FROM_URL: Final = bytes.maketrans(b"-_+/=", b"+/***")
"""What is not of the alphabet becomes what a strict decoder refuses."""
_PADDING: Final = (b"", b"", b"==", b"=")
_LAST: Final = {2: frozenset(b"AQgw"), 3: frozenset(b"AEIMQUYcgkosw048")}
"""By how many characters stand in the last group: the last ones whose 4 or 2 low bits, which say nothing, are 0."""


def b64url_encode(data: bytes) -> str:
    """Encode with the URL-safe alphabet, without padding."""
    return binascii.b2a_base64(data, newline=False).translate(_TO_URL).rstrip(b"=").decode("ascii")


def b64url_decode(text: str | bytes) -> bytes:
    """Decode the URL-safe alphabet without padding, and only that. Raises EncodingError."""
    raw = _ascii(text)
    rest = len(raw) % 4
    try:
        data = binascii.a2b_base64(raw.translate(_FROM_URL) + _PADDING[rest], strict_mode=True)
    except binascii.Error:
        raise EncodingError("not base64url without padding", code="BASE64URL") from None
    if rest and raw[-1] not in _LAST[rest]:
        raise EncodingError("base64url text with stray bits at its end", code="BASE64URL")
    return data


def b64std_encode(data: bytes) -> str:
    """Encode with the standard alphabet, with padding."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def b64std_decode(text: str | bytes) -> bytes:
    """Decode the standard alphabet with padding, and only that. Raises EncodingError."""
    raw = _ascii(text)
    try:
        data = binascii.a2b_base64(raw) if _STANDARD.fullmatch(raw) else None
    except binascii.Error:
        data = None
    if data is None:
        raise EncodingError("not base64 with padding", code="BASE64")
    if binascii.b2a_base64(data, newline=False) != raw:
        raise EncodingError("base64 text with stray bits or padding", code="BASE64")
    return data


def _ascii(text: str | bytes) -> bytes:
    if isinstance(text, bytes):
        return text
    try:
        return text.encode("ascii")
    except UnicodeEncodeError:
        raise EncodingError("not base64: the text is not ASCII", code="BASE64") from None


def parse_json(data: bytes | str) -> Any:  # noqa: ANN401  # JSON is what it is: the caller makes it a typed object
    """Read one JSON text from outside. Raises EncodingError with a code that says which rule it breaks."""
    value = _read_compact(data) if isinstance(data, bytes) else None
    return _read_any(data) if value is None else value


def _read_compact(data: bytes) -> Any:  # noqa: ANN401  # any JSON value
    """Read a text that is exactly what would be written of its value; return None for all others, and for `null`."""
    if data.count(b"[") + data.count(b"{") > MAX_JSON_DEPTH or _has_long_numbers(data):
        return None
    try:
        value = _READER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return value if _WRITER.encode(value) == data else None


def _read_any(data: bytes | str) -> Any:  # noqa: ANN401  # any JSON value
    try:
        text = data.decode("utf-8") if isinstance(data, bytes) else data
        long_numbers = _has_long_numbers(text.encode("utf-8", "surrogatepass"))
        value = (_DECODER if long_numbers else _FAST_DECODER).decode(text)
    except UnicodeDecodeError:
        raise EncodingError("the JSON text is not UTF-8", code="JSON-UTF8") from None
    except RecursionError:
        raise EncodingError(f"the JSON text is nested deeper than {MAX_JSON_DEPTH}", code="JSON-DEPTH") from None
    except EncodingError:
        raise
    except ValueError:
        if _DEEP.match(text):  # how far a parser follows such a text before it says so differs between interpreters
            raise EncodingError(f"the JSON text is nested deeper than {MAX_JSON_DEPTH}", code="JSON-DEPTH") from None
        raise EncodingError("not a JSON text", code="JSON") from None
    if text.count("[") + text.count("{") > MAX_JSON_DEPTH and _deeper_than(value, MAX_JSON_DEPTH):
        raise EncodingError(f"the JSON text is nested deeper than {MAX_JSON_DEPTH}", code="JSON-DEPTH")
    if "\\u" in text and _has_surrogate(value):
        raise EncodingError("the JSON text holds half of a surrogate pair", code="JSON-SURROGATE")
    return value


def compact_json(value: object) -> bytes:
    """Encode compactly in UTF-8, members in the order they have."""
    return _WRITER.encode(value) if _is_plain(value) else _ENCODER.encode(value).encode()


def sorted_json(value: object) -> bytes:
    """Encode compactly in UTF-8, members sorted throughout, by code points."""
    return _SORTING_WRITER.encode(value) if _is_plain(value) else _SORTING_ENCODER.encode(value).encode()


def compact_plain(value: Plain) -> bytes:
    """Encode what is known to have no fractions, and may have parts that are encoded already, like `compact_json`."""
    return _WRITER.encode(value)


def _is_plain(value: object) -> bool:
    """Whether a JSON value has no fractions: those are what the encoder in C writes in another way."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if type(each) is dict:
            waiting.extend(each.values())
        elif type(each) is list:
            waiting.extend(each)
        elif type(each) not in _PLAIN_TYPES:
            return False
    return True


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise EncodingError("a JSON object has a member twice", code="JSON-DUPLICATE")
    return members


def _not_finite(name: str) -> None:
    raise EncodingError(f"{name} is not a JSON number", code="JSON")


def _integer(digits: str) -> int:
    if len(digits) > 20:  # noqa: PLR2004  # the longest 64-bit number with its sign
        raise EncodingError("an integer of the JSON text has more than 20 digits", code="JSON-NUMBER")
    return int(digits)


def _decimal(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise EncodingError("a number of the JSON text is too large", code="JSON-NUMBER")
    return value


_READER: Final = msgspec.json.Decoder()
_WRITER: Final = msgspec.json.Encoder()
_SORTING_WRITER: Final = msgspec.json.Encoder(order="sorted")
_PLAIN_TYPES: Final = frozenset({str, int, bool, type(None)})
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_SORTING_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False, sort_keys=True)
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_not_finite, parse_int=_integer, parse_float=_decimal
)
_FAST_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_not_finite, parse_float=_decimal)
"""For texts without long numbers. Evidence has thousands of short ones; a call for each costs more than all else."""
_DIGITS_AS_ZEROS: Final = bytes(ord("0") if chr(octet) in "0123456789" else ord(" ") for octet in range(256))


def _has_long_numbers(data: bytes) -> bool:
    """Whether 20 digits follow each other anywhere, in a text too."""
    return b"0" * 20 in data.translate(_DIGITS_AS_ZEROS)


def _deeper_than(value: object, depth: int) -> bool:
    layer = [value]
    while layer and depth > 0:
        layer = [
            inner
            for outer in layer
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
        depth -= 1
    return bool(layer)


def _has_surrogate(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False
