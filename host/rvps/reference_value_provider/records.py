"""The record under which a reference value is kept, in the bytes that upstream writes.

    {"version":"0.1.0","name":"svn","expiration":"2027-11-22T10:46:04Z","value":["1"]}

The four members stand in this order, without spaces; members inside `value` are sorted, as upstream's are. The text is
UTF-8, and only what JSON demands is escaped. Numbers with an exponent may be spelled otherwise than upstream does.

A value expires twelve calendar months after it was registered, to the second; registered on a 29 February, on the
28th. It is still good in that second. A record of another `version` is read alike, as upstream does.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Self

from attestation_protocol.encoding import parse_json
from attestation_protocol.errors import EncodingError

from reference_value_provider.errors import RecordError

VERSION: Final = "0.1.0"

_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


@dataclass(frozen=True, slots=True)
class Record:
    """A reference value with its name and its end."""

    name: str
    expiration: datetime
    """In UTC, whole seconds."""
    value: Any = field(hash=False)
    """Any JSON value. It may be shared: whoever reads it does not change it."""
    version: str = VERSION

    @classmethod
    def new(cls, name: str, value: Any, now: datetime) -> Self:  # noqa: ANN401  # any JSON value
        """Make the record of a value that is registered now."""
        start = now.astimezone(UTC).replace(microsecond=0)
        try:
            end = start.replace(year=start.year + 1)
        except ValueError:  # there is no 29 February next year
            end = start.replace(year=start.year + 1, day=28)
        return cls(name, end, value)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a stored record. Raises RecordError."""
        try:
            members = parse_json(data)
            version, name, end = members.get("version", VERSION), members["name"], members["expiration"]
            if not isinstance(version, str) or not isinstance(name, str) or not _TIME.fullmatch(end):
                raise _unreadable()
            return cls(name, datetime.fromisoformat(end), members["value"], version)
        except (EncodingError, AttributeError, KeyError, TypeError, ValueError):
            raise _unreadable() from None

    def expired(self, now: datetime) -> bool:
        """Say whether the value is no longer good."""
        return now > self.expiration

    def to_json(self) -> bytes:
        """Return the bytes that are stored."""
        version, name, value = (_text(part) for part in (self.version, self.name, self.value))
        end = self.expiration.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds")
        return f'{{"version":{version},"name":{name},"expiration":"{end}Z","value":{value}}}'.encode()


def _text(part: Any) -> str:  # noqa: ANN401  # any JSON value
    return json.dumps(part, separators=(",", ":"), ensure_ascii=False, allow_nan=False, sort_keys=True)


def _unreadable() -> RecordError:
    return RecordError("deserialize reference value", advice="register the value again")
