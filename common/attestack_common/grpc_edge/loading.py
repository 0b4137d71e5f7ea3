"""Loads grpcio, with the core library kept silent: it writes to standard error in a form of its own.

`GRPC_VERBOSITY` in the environment lets it speak.
"""

from __future__ import annotations

import os
from typing import Any

from attestack_common.grpc_edge.messages import Status


def load() -> Any:  # noqa: ANN401  # the module has no types
    """Return the module `grpc`, with `grpc.aio` loaded."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    import grpc  # type: ignore[import-untyped]  # noqa: PLC0415  # 0.1 s that only servers and clients of gRPC need
    import grpc.aio  # type: ignore[import-untyped]  # noqa: PLC0415

    return grpc


def code_of(status: Status) -> Any:  # noqa: ANN401  # a member of grpc.StatusCode
    """Return grpcio's own name of a status."""
    return getattr(load().StatusCode, status.name)


def status_of(code: Any) -> Status:  # noqa: ANN401  # a member of grpc.StatusCode
    """Return the status of grpcio's own name; a number that nobody defined is UNKNOWN, as grpcio has it."""
    return Status[code.name]
