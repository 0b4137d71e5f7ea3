"""The tree of errors, and the public names."""

from __future__ import annotations

import inspect

import pytest
import ttrpc_asyncio
from ttrpc_asyncio import (
    AddressError,
    Code,
    ConnectError,
    ConnectionClosedError,
    DeadlineExceededError,
    Detail,
    EnvelopeError,
    FrameError,
    StatusError,
    TtrpcError,
)


def test_every_error_has_a_code_of_its_own() -> None:
    errors: list[TtrpcError] = [
        StatusError(Code.NOT_FOUND, "m"),
        ConnectionClosedError(request_sent=True),
        *(kind("m") for kind in (DeadlineExceededError, ConnectError, FrameError, EnvelopeError, AddressError)),
    ]
    assert [error.code for error in errors] == [
        "TTRPC-STATUS",
        "TTRPC-CLOSED",
        "TTRPC-DEADLINE",
        "TTRPC-CONNECT",
        "TTRPC-MESSAGE-SIZE",
        "TTRPC-ENVELOPE",
        "TTRPC-ADDRESS",
    ]
    assert all(error.advice == "" for error in errors)


def test_a_status_error_says_which_status() -> None:
    error = StatusError(Code.NOT_FOUND, "no such thing", [Detail("t", b"v")], code="MINE", advice="look elsewhere")
    assert str(error) == "NOT_FOUND: no such thing [MINE]"
    assert (error.message, error.details, error.advice) == ("no such thing", (Detail("t", b"v"),), "look elsewhere")


def test_ok_is_no_error() -> None:
    with pytest.raises(ValueError, match="OK is not an error"):
        StatusError(Code.OK, "m")


def test_a_closed_connection_says_what_the_crate_says() -> None:
    error = ConnectionClosedError(request_sent=False)
    assert (error.message, str(error)) == ("local stream closed", "local stream closed [TTRPC-CLOSED]")
    assert error.request_sent is False


def test_codes_are_those_of_grpc() -> None:
    assert {code.name: code.value for code in Code} == {
        "OK": 0,
        "CANCELLED": 1,
        "UNKNOWN": 2,
        "INVALID_ARGUMENT": 3,
        "DEADLINE_EXCEEDED": 4,
        "NOT_FOUND": 5,
        "ALREADY_EXISTS": 6,
        "PERMISSION_DENIED": 7,
        "RESOURCE_EXHAUSTED": 8,
        "FAILED_PRECONDITION": 9,
        "ABORTED": 10,
        "OUT_OF_RANGE": 11,
        "UNIMPLEMENTED": 12,
        "INTERNAL": 13,
        "UNAVAILABLE": 14,
        "DATA_LOSS": 15,
        "UNAUTHENTICATED": 16,
    }


def test_public_names_exist_and_are_sorted_out_from_modules() -> None:
    for name in ttrpc_asyncio.__all__:
        assert not inspect.ismodule(getattr(ttrpc_asyncio, name))
    assert len(set(ttrpc_asyncio.__all__)) == len(ttrpc_asyncio.__all__)
