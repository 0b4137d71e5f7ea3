"""Where a program of the guest listens.

    unix:///path, unix://@name      ttRPC
    127.0.0.1:50002, [::1]:50002    gRPC

Nothing else: tokens with their private keys, and secrets, are handed out there without a password, so that no socket
will do which others can reach over a network.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from attestack_common.listening import is_loopback
from ttrpc_asyncio import Address

_IP_AND_PORT: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]{2,45}\]|[0-9.]{7,15}):[0-9]{1,5}", re.ASCII)


@dataclass(frozen=True, slots=True)
class GrpcAddress:
    """An address of this machine alone, `ip:port`."""

    text: str

    def __str__(self) -> str:
        return self.text


ServingAddress: TypeAlias = Address | GrpcAddress


def serving_address(text: str) -> ServingAddress | None:
    """Read an address; None for one that is neither a unix socket nor on loopback. Raises ttRPC's AddressError."""
    if text.startswith("unix://"):
        return Address.parse(text)
    return GrpcAddress(text) if _IP_AND_PORT.fullmatch(text) and is_loopback(text) else None
