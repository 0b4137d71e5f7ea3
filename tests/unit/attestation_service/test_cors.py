"""Cross-origin answers: which origins are echoed, which preflights are refused."""

from __future__ import annotations

from attestation_service.cors import VARY, CrossOrigin, parse_origins

ORIGIN = "https://app.example"
CORS = CrossOrigin([ORIGIN])


def test_origins_are_repeatable_and_comma_separated() -> None:
    allowed, others = parse_origins(["https://a.example, http://b.example", "c.example", ",", "ftp://d"])
    assert allowed == ["https://a.example", "http://b.example"]
    assert others == ["c.example", "ftp://d"]


def test_every_answer_varies_by_the_three_headers() -> None:
    assert CrossOrigin().headers(None) == [VARY]
    assert VARY == ("vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")


def test_only_an_allowed_origin_is_echoed() -> None:
    assert CORS.headers(ORIGIN) == [("access-control-allow-origin", ORIGIN), VARY]
    assert CORS.headers("https://evil.example") == [VARY]
    assert CORS.headers("https://app.example.evil") == [VARY]
    assert CrossOrigin(["*"]).headers("https://evil.example") == [VARY]


def test_a_preflight_is_answered_with_what_is_offered() -> None:
    status, headers, body = CORS.preflight(ORIGIN, "POST", "Content-Type, authorization")
    assert (status, body) == (200, "")
    assert headers == [
        ("access-control-allow-origin", ORIGIN),
        ("access-control-allow-methods", "POST, GET, OPTIONS"),
        ("access-control-allow-headers", "content-type, authorization"),
        ("access-control-max-age", "86400"),
        VARY,
    ]


def test_a_preflight_of_another_origin_names_no_origin() -> None:
    status, headers, _ = CORS.preflight("https://evil.example", "GET", None)
    assert status == 200
    assert "access-control-allow-origin" not in dict(headers)


def test_a_preflight_for_more_than_is_offered_is_refused() -> None:
    assert CORS.preflight(ORIGIN, "DELETE", None) == (400, [VARY], "Requested method is not allowed.")
    assert CORS.preflight(ORIGIN, "POST", "x-evil")[0::2] == (400, "One or more request headers are not allowed.")
