"""Status codes: gRPC's numbers, which ttRPC uses unchanged."""

from __future__ import annotations

from enum import IntEnum
from typing import Self


class Code(IntEnum):
    """Why a call failed, or OK."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16

    @classmethod
    def from_wire(cls, number: int) -> Self:
        """Return the code with this number; a number that gRPC does not define means UNKNOWN."""
        try:
            return cls(number)
        except ValueError:
            return cls(cls.UNKNOWN)
