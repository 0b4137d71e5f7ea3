"""JSON text from outside: parsed, or refused with EncodingError; what is parsed survives being written again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attestation_protocol.encoding import compact_json, parse_json
from attestation_protocol.errors import EncodingError

if TYPE_CHECKING:
    from collections.abc import Iterable


def target(data: bytes) -> None:
    try:
        value = parse_json(data)
    except EncodingError:
        return
    assert parse_json(compact_json(value)) == value


def seeds() -> Iterable[bytes]:
    return (
        b'{"version":"0.4.0","tee":"snp","extra-params":{"supported-hash-algorithms":["sha384"]}}',
        b'[1,-2.5e3,"\\ud83d\\ude00",null,true,false]',
        b"[" * 65 + b"]" * 65,
        b'{"a":1,"a":2}',
        b'"\\ud800"',
        b"123456789012345678901",
        b"NaN",
    )


TARGET = target
SEEDS = seeds
