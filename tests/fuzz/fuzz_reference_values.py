"""Registration messages, sample payloads and stored records of reference values: parsed, or refused."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from reference_value_provider.errors import MessageError, PayloadError, RecordError
from reference_value_provider.extractors.sample import extract
from reference_value_provider.messages import Message
from reference_value_provider.records import Record

if TYPE_CHECKING:
    from collections.abc import Iterable


def target(data: bytes) -> None:
    with suppress(MessageError, PayloadError):
        extract(Message.parse(data).payload)
    try:
        record = Record.parse(data)
    except RecordError:
        return
    assert Record.parse(record.to_json()) == record


def seeds() -> Iterable[bytes]:
    return (
        b'{"version":"0.1.0","type":"sample","payload":"eyJzdm4iOlsiMSJdfQ=="}',
        b'{"type":"sample","payload":"!!"}',
        b'{"version":"0.1.0","name":"svn","expiration":"2027-11-22T10:46:04Z","value":["1"]}',
        b'{"name":"x","expiration":"9999-12-31T23:59:59Z","value":{"b":-0.0,"a":1e300}}',
    )


TARGET = target
SEEDS = seeds
