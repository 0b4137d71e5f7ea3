"""Files of the LocalJson store, values and times: read, or damaged; what is read is written and read again alike."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from trustee_core.storage.local_json_document import (
    DamagedError,
    decode_value,
    encode_notes,
    encode_value,
    encode_values,
    parse_notes,
    parse_values,
)

from tests.conformance.recordings import WIRE

if TYPE_CHECKING:
    from collections.abc import Iterable


def target(data: bytes) -> None:
    with suppress(DamagedError):
        notes = parse_notes(data)
        assert parse_notes(encode_notes(notes)) == notes
    try:
        texts = parse_values(data)
    except DamagedError:
        return
    assert list(parse_values(encode_values(texts)).items()) == list(texts.items())
    for text in texts.values():
        with suppress(DamagedError):
            assert encode_value(decode_value(text)) == text


def seeds() -> Iterable[bytes]:
    recorded = (path.read_bytes() for path in sorted((WIRE / "stores" / "localjson").iterdir()))
    return (*recorded, b"{}", b'{"key":{"' + b"a" * 64 + b'":1795344357000000}}', b'{"\\ud83d\\ude00":"-_8="}')


TARGET = target
SEEDS = seeds
