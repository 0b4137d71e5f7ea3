"""Addresses of gRPC peers, and the texts of their refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attestack_common.errors import ConfigError
from attestack_common.grpc_edge import PeerAddress
from attestack_common.grpc_edge.messages import MAX_ENCODED_TEXT, bounded_text
from trustee_core.grpc_messages import peer_refusal

if TYPE_CHECKING:
    from collections.abc import Iterable


def target(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    assert text.startswith(peer_refusal(text).text)
    assert len(bounded_text(text)) <= MAX_ENCODED_TEXT
    try:
        address = PeerAddress.parse(text)
    except ConfigError:
        return
    assert PeerAddress.parse(str(address)) == address


def seeds() -> Iterable[bytes]:
    return (
        b"127.0.0.1:50003",
        b"http://[::1]:50003/",
        b"https://as.example:443",
        b"Attestation evaluation failed: \n0: no (do that) [CODE-1]",
    )


TARGET = target
SEEDS = seeds
