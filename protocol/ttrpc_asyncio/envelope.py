"""Envelopes: the protobuf messages around a call and its answer.

    Request   1 service string, 2 method string, 3 payload bytes, 4 timeout_nano int64, 5 metadata repeated KeyValue
    KeyValue  1 key string, 2 value string
    Response  1 status Status, 2 payload bytes
    Status    1 code int32, 2 message string, 3 details repeated Any
    Any       1 type_url string, 2 value bytes

An answer that succeeded has a Status that is present and empty, then the payload; a reader takes an absent Status for
OK too. An answer that failed has no payload. Several values of one metadata key are several entries.

They are written by hand, not generated: as fast as the C implementation of protobuf for these sizes, bounded in the
number of fields, and able to say what is wrong in the words of the Rust crate.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from ttrpc_asyncio import wire
from ttrpc_asyncio.codes import Code
from ttrpc_asyncio.errors import Detail, StatusError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_FIELD_1, _FIELD_2, _FIELD_3, _FIELD_5 = (number << 3 | wire.BYTES for number in (1, 2, 3, 5))
_NUMBER_1, _NUMBER_4 = (number << 3 | wire.VARINT for number in (1, 4))

_OK_STATUS: Final = bytes([_FIELD_1, 0])
_SIGN: Final = 1 << 63

NO_METADATA: Final[Mapping[str, Sequence[str]]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Request:
    """A call."""

    service: str
    """The fully qualified name, for example `attestation_agent.AttestationAgentService`."""
    method: str
    payload: bytes
    timeout_nano: int
    """How long the call may take in nanoseconds; 0 or less: as long as it likes."""
    metadata: Mapping[str, Sequence[str]]
    """Keys are lower-case."""


def encode_request(request: Request) -> bytes:
    """Encode a call, fields in the order of their numbers."""
    timeout = request.timeout_nano
    return b"".join(
        (
            wire.encode_text(_FIELD_1, request.service),
            wire.encode_text(_FIELD_2, request.method),
            wire.encode_bytes(_FIELD_3, request.payload),
            bytes([_NUMBER_4]) + wire.encode_varint(timeout % (1 << 64)) if timeout else b"",
            _encode_metadata(request.metadata) if request.metadata else b"",
        )
    )


def decode_request(data: bytes) -> Request:
    """Read a call. Raises EnvelopeError."""
    service = method = payload = b""
    timeout = 0
    entries: list[bytes] = []
    for tag, value in wire.read_fields(data):
        if isinstance(value, int):
            timeout = value if tag == _NUMBER_4 else timeout
        elif tag == _FIELD_1:
            service = value
        elif tag == _FIELD_2:
            method = value
        elif tag == _FIELD_3:
            payload = value
        elif tag == _FIELD_5:
            entries.append(value)
    return Request(
        wire.read_text(service),
        wire.read_text(method),
        payload,
        timeout - (timeout & _SIGN) * 2,
        _decode_metadata(entries) if entries else NO_METADATA,
    )


def encode_response(payload: bytes) -> bytes:
    """Encode an answer that succeeded."""
    return _OK_STATUS + wire.encode_bytes(_FIELD_2, payload)


def encode_status(code: Code, message: str, details: Iterable[Detail] = ()) -> bytes:
    """Encode an answer that failed."""
    status = [bytes([_NUMBER_1]), wire.encode_varint(code), wire.encode_text(_FIELD_2, message)]
    for detail in details:
        inner = wire.encode_text(_FIELD_1, detail.type_url) + wire.encode_bytes(_FIELD_2, detail.value)
        status += (bytes([_FIELD_3]), wire.encode_varint(len(inner)), inner)
    return wire.encode_bytes(_FIELD_1, b"".join(status))


def decode_response(data: bytes) -> bytes:
    """Return the payload of an answer. Raises StatusError when it failed, EnvelopeError when it is no answer."""
    status = payload = b""
    for tag, value in wire.read_fields(data):
        if isinstance(value, int):
            continue
        if tag == _FIELD_1:
            status += value  # protobuf merges a message that comes twice, which is what joining its bytes does
        elif tag == _FIELD_2:
            payload = value
    if status and (error := _decode_status(status)) is not None:
        raise error
    return payload


def _decode_status(data: bytes) -> StatusError | None:
    code, message = 0, b""
    details: list[Detail] = []
    for tag, value in wire.read_fields(data):
        if isinstance(value, int):
            code = value & 0xFFFF_FFFF if tag == _NUMBER_1 else code
        elif tag == _FIELD_2:
            message = value
        elif tag == _FIELD_3:
            details.append(_decode_detail(value))
    text = wire.read_text(message)
    return StatusError(Code.from_wire(code), text, details) if code else None


def _decode_detail(data: bytes) -> Detail:
    type_url, value = _two_fields(data)
    return Detail(wire.read_text(type_url), value)


def _encode_metadata(metadata: Mapping[str, Sequence[str]]) -> bytes:
    encoded: list[bytes] = []
    for key, values in metadata.items():
        lowered = wire.encode_text(_FIELD_1, key.lower())
        for value in values:
            entry = lowered + wire.encode_text(_FIELD_2, value)
            encoded += (bytes([_FIELD_5]), wire.encode_varint(len(entry)), entry)
    return b"".join(encoded)


def _decode_metadata(entries: Iterable[bytes]) -> Mapping[str, Sequence[str]]:
    metadata: dict[str, tuple[str, ...]] = {}
    for entry in entries:
        key, value = _two_fields(entry)
        name = wire.read_text(key).lower()
        metadata[name] = (*metadata.get(name, ()), wire.read_text(value))
    return MappingProxyType(metadata)


def _two_fields(data: bytes) -> tuple[bytes, bytes]:
    first = second = b""
    for tag, value in wire.read_fields(data):
        if isinstance(value, int):
            continue
        if tag == _FIELD_1:
            first = value
        elif tag == _FIELD_2:
            second = value
    return first, second
