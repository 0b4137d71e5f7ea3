"""Cookies and bearer tokens: one value or none."""

from __future__ import annotations

import pytest
from attestack_common.http_server import Request
from key_broker_service.credentials import bearer_token, session_cookie, set_session_cookie


def request(**headers: str) -> Request:
    return Request("GET", b"/kbs/v0/resource/a/b/c", headers=headers)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("kbs-session-id=abc", "abc"),
        ("a=1; kbs-session-id=abc; b=2", "abc"),
        ("kbs-session-id=abc;b", "abc"),
        ("kbs-session-id=abc; kbs-session-id=abc", "abc"),
        ("kbs-session-id=", ""),
        ("", None),
        ("a=kbs-session-id", None),
        ("KBS-SESSION-ID=abc", None),
        ("xkbs-session-id=abc", None),
    ],
)
def test_the_session_cookie_is_found(header: str, value: str | None) -> None:
    assert session_cookie(request(cookie=header)) == value


def test_a10_two_session_cookies_that_differ_are_none() -> None:
    assert session_cookie(request(cookie="kbs-session-id=mine; kbs-session-id=theirs")) is None


def test_there_may_be_no_cookie() -> None:
    assert session_cookie(request()) is None


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer a.b.c", "a.b.c"),
        ("Bearer ", None),
        ("Bearer", None),
        ("bearer a.b.c", None),
        ("Basic a.b.c", None),
        ("", None),
    ],
)
def test_the_bearer_token_is_found(header: str, token: str | None) -> None:
    assert bearer_token(request(authorization=header)) == token


def test_there_may_be_no_authorization() -> None:
    assert bearer_token(request()) is None


def test_the_cookie_is_set_with_its_expiry_alone() -> None:
    assert set_session_cookie("abc", 1_795_346_217) == (
        "set-cookie",
        "kbs-session-id=abc; Expires=Sun, 22 Nov 2026 11:16:57 GMT",
    )
