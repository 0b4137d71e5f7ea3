"""What comes in gRPC calls from outside: messages, and the texts of refusals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from attestack_common.grpc_edge import Refusal, Status
from attestation_protocol.errors import advice_of, code_of, wire_text
from google.protobuf.message import DecodeError

if TYPE_CHECKING:
    from google.protobuf.message import Message

M = TypeVar("M", bound="Message")


def parsed(kind: type[M], message: bytes) -> M:
    """Read a message. Raises Refusal (INTERNAL, RPC-MESSAGE), as the Rust services answer what does not decode."""
    try:
        return kind.FromString(message)
    except DecodeError:
        raise malformed() from None


def malformed() -> Refusal:
    """Return the refusal of a message that does not decode."""
    text = wire_text("failed to decode Protobuf message", "RPC-MESSAGE", "send the message that the method takes")
    return Refusal(Status.INTERNAL, text)


@dataclass(frozen=True, slots=True)
class PeerRefusal:
    """What a peer says with a status: its text, and code and advice where it is one of ours."""

    text: str
    code: str
    advice: str


def peer_refusal(text: str) -> PeerRefusal:
    """Take a status text apart. `code` is empty where the peer sends none."""
    code, advice = code_of(text), advice_of(text)
    return PeerRefusal(text.removesuffix(wire_text("", code, advice)) if code else text, code or "", advice)
