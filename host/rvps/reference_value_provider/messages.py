"""The registration message: JSON from outside.

    {"version": "0.1.0", "type": "sample", "payload": "<what the extractor of that type reads>"}

`version` may be left out. Other members are ignored, as upstream does. A message has at most 4 MiB, which is what
gRPC takes by default.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Self

from attestation_protocol.encoding import parse_json
from attestation_protocol.errors import EncodingError
from trustee_core.storage.rules import shown

from reference_value_provider.errors import MessageError

VERSION: Final = "0.1.0"
MAX_SIZE: Final = 4 << 20
"""Bytes of a message in UTF-8."""

_ADVICE: Final = "send a JSON object with the texts `type` and `payload`, and `version` 0.1.0"


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be registered, and which extractor reads it."""

    type: str
    payload: str = field(repr=False)

    @classmethod
    def parse(cls, message: bytes | str) -> Self:
        """Read a message. Raises MessageError."""
        if len(message) > MAX_SIZE:
            raise MessageError("parse message", code="RVPS-SIZE", advice=f"send at most {MAX_SIZE} bytes at once")
        try:
            members = parse_json(message)
        except EncodingError as error:
            raise MessageError("parse message", advice=f"{error.message}: {_ADVICE}") from None
        if not isinstance(members, dict):
            raise MessageError("parse message", advice=_ADVICE)
        version, kind, payload = members.get("version", VERSION), members.get("type"), members.get("payload")
        if not isinstance(version, str) or not isinstance(kind, str) or not isinstance(payload, str):
            raise MessageError("parse message", advice=_ADVICE)
        if version != VERSION:
            raise MessageError(
                f"Version unmatched! Need {VERSION}, given {shown(version)}.",
                code="RVPS-VERSION",
                advice="send messages of that version",
            )
        return cls(kind, payload)
