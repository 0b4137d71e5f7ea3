"""Where keys are configured to be."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from attestack_common.errors import ConfigError
from trustee_core.token_trust import sources
from trustee_core.token_trust.sources import MAX_BYTES, https_get, load_jwk_set, load_source

from tests.unit.trustee_core.token_trust.makers import EC_KEY, OTHER_EC_KEY, RSA_KEY, jwk

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SET = json.dumps({"keys": [jwk(EC_KEY, "ES256", kid="a")]}).encode()


class Web:
    """Answers by address; an address without an answer cannot be reached."""

    def __init__(self, answers: Mapping[str, bytes]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def __call__(self, url: str) -> bytes:
        self.asked.append(url)
        if url not in self.answers:
            raise OSError("connection refused")
        return self.answers[url]


async def kids(source: str, web: Web | None = None) -> list[str]:
    return sorted(await load_jwk_set(source, web or Web({}), key="k"))


async def refusal(source: str, web: Web | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        await load_jwk_set(source, web or Web({}), key="the.key")
    return caught.value.message


async def test_a_set_is_read_from_a_path_and_a_file_address(tmp_path: Path) -> None:
    file = tmp_path / "a set.json"
    file.write_bytes(SET)
    assert await kids(str(file)) == ["a"]
    assert await kids(f"file://{tmp_path}/a%20set.json") == ["a"]
    assert await kids(f"file://localhost{tmp_path}/a%20set.json") == ["a"]


@pytest.mark.parametrize(
    "source", ["http://h/x", "ftp://h/x", "data://x", "FILE:///x", "://x", "file://other/x", "file:///x?y"]
)
async def test_other_places_are_refused(source: str) -> None:
    assert (await refusal(source)).startswith("the.key: ")


async def test_a_missing_file_names_itself(tmp_path: Path) -> None:
    assert "none.json" in await refusal(str(tmp_path / "none.json"))


async def test_a_set_is_fetched() -> None:
    web = Web({"https://issuer.example/certs": SET})
    assert await kids("https://issuer.example/certs", web) == ["a"]
    assert web.asked == ["https://issuer.example/certs"]


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"keys": []}', b'{"keys": {}}', b"\xff", b'{"a": 1, "a": 2}']
)
@pytest.mark.parametrize("address", ["https://issuer.example/realm", "https://issuer.example/realm/"])
async def test_an_issuer_s_address_leads_to_its_set(body: bytes, address: str) -> None:
    discovery = "https://issuer.example/realm/.well-known/openid-configuration"
    web = Web({address: body, discovery: b'{"jwks_uri": "https://keys.example/set"}', "https://keys.example/set": SET})
    assert await kids(address, web) == ["a"]
    assert web.asked == [address, discovery, "https://keys.example/set"]


@pytest.mark.parametrize(
    "discovery",
    [
        b"{}",
        b"[]",
        b"x",
        b'{"jwks_uri": 1}',
        b'{"jwks_uri": "http://keys.example/set"}',
        b'{"jwks_uri": "file:///etc/x"}',
    ],
)
async def test_a26_a_discovery_document_leads_nowhere_but_to_https(discovery: bytes) -> None:
    web = Web({"https://i.example": b"", "https://i.example/.well-known/openid-configuration": discovery})
    assert "neither a JWK set nor a discovery document" in await refusal("https://i.example", web)


async def test_what_cannot_be_reached_stops_the_start() -> None:
    web = Web({"https://i.example/.well-known/openid-configuration": b'{"jwks_uri": "https://i.example/set"}'})
    assert "connection refused" in await refusal("https://i.example", web)
    assert web.asked == ["https://i.example"]


async def test_a_discovered_set_must_be_one() -> None:
    answers = {"https://i.example/.well-known/openid-configuration": b'{"jwks_uri": "https://i.example/set"}'}
    assert "has no JWK set" in await refusal(
        "https://i.example", Web({"https://i.example": b"", **answers, "https://i.example/set": b"{}"})
    )


async def test_a_file_that_is_no_set_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"{}")
    assert "has no JWK set" in await refusal(str(file))


async def test_what_is_too_large_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(b" " * (MAX_BYTES + 1))
    with pytest.raises(ConfigError):
        await load_source(str(file), Web({}), key="k")
    assert "1048576 bytes" in await refusal("https://i.example", Web({"https://i.example": b" " * (MAX_BYTES + 1)}))


async def test_what_does_not_answer_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hangs(_url: str) -> bytes:
        await asyncio.Event().wait()
        return b""

    monkeypatch.setattr(sources, "FETCH_SECONDS", 0.01)
    with pytest.raises(ConfigError) as caught:
        await load_source("https://i.example", hangs, key="k")
    assert caught.value.code == "KEY-SOURCE"


async def test_keys_that_are_not_taken_are_left_out_and_the_first_of_a_kid_counts(tmp_path: Path) -> None:
    entries: list[Any] = [
        jwk(EC_KEY, "ES256", kid="a"),
        jwk(OTHER_EC_KEY, "ES256", kid="a"),
        jwk(RSA_KEY, "RS256"),
        jwk(RSA_KEY, None, kid="b"),
        jwk(RSA_KEY, "RSA-OAEP-256", kid="c"),
        {"kty": "oct", "alg": "HS256", "k": "c2VjcmV0", "kid": "d"},
        jwk(RSA_KEY, "PS256", kid="e"),
        jwk(RSA_KEY, "PS256", kid=7),
        "x",
        None,
    ]
    file = tmp_path / "set"
    file.write_text(json.dumps({"keys": entries}))
    loaded = await load_jwk_set(str(file), Web({}), key="k")
    assert {kid: key.algorithm for kid, key in loaded.items()} == {"a": "ES256", "e": "PS256"}
    assert loaded["a"].key == EC_KEY.public_key()
    assert loaded["a"].source == str(file)


def transport(response: httpx.Response) -> httpx.MockTransport:
    return httpx.MockTransport(lambda _request: response)


async def test_the_fetcher_takes_any_status_and_follows_nothing() -> None:
    assert await https_get("https://i.example", transport=transport(httpx.Response(404, content=b"x"))) == b"x"
    moved = httpx.Response(302, headers={"location": "https://other.example"}, content=b"moved")
    assert await https_get("https://i.example", transport=transport(moved)) == b"moved"


async def test_a42_the_fetcher_reads_within_a_bound() -> None:
    with pytest.raises(OSError, match="more than"):
        await https_get("https://i.example", transport=transport(httpx.Response(200, content=b" " * (MAX_BYTES + 1))))


async def test_the_fetcher_has_one_kind_of_error() -> None:
    def fails(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(OSError, match="ConnectError: refused"):
        await https_get("https://i.example", transport=httpx.MockTransport(fails))
    with pytest.raises(OSError, match="InvalidURL"):
        await https_get("https://i.example/\0", transport=httpx.MockTransport(fails))
