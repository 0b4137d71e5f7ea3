"""Where a token's claims have the guest's public key."""

from __future__ import annotations

from typing import Any

import pytest
from trustee_core.token_trust import TeeKeyError, tee_public_key
from trustee_core.token_trust.tee_key import TEE_KEY_PATHS

KEY = {"kty": "EC", "crv": "P-256", "alg": "ECDH-ES+A256KW", "x": "a", "y": "b"}


def at(path: str, value: Any) -> dict[str, Any]:
    *parents, last = path[1:].split("/")
    document: dict[str, Any] = {last: value}
    for name in reversed(parents):
        document = {name: document}
    return document


def merged(*documents: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for document in documents:
        for name, value in document.items():
            both = isinstance(value, dict) and isinstance(result.get(name), dict)
            result[name] = merged(result[name], value) if both else value
    return result


@pytest.mark.parametrize("path", TEE_KEY_PATHS)
def test_each_usual_place_is_found(path: str) -> None:
    assert tee_public_key(at(path, KEY)) == KEY


@pytest.mark.parametrize("first", range(len(TEE_KEY_PATHS)))
def test_the_first_place_counts(first: int) -> None:
    claims = merged(*(at(path, {"place": path}) for path in TEE_KEY_PATHS[first:]))
    assert tee_public_key(claims) == {"place": TEE_KEY_PATHS[first]}


def test_configured_places_come_first() -> None:
    claims = merged(at("/tee-pubkey", KEY), at("/a~b/c/0", 1), {"x/y": [{"z": {"kty": "RSA"}}]})
    assert tee_public_key(claims, ["/nowhere", "/x~1y/0/z"]) == {"kty": "RSA"}
    assert tee_public_key({"~1": {"k": 1}}, ["/~01"]) == {"k": 1}
    assert tee_public_key({"kty": "EC"}, [""]) == {"kty": "EC"}


@pytest.mark.parametrize(
    "path", ["x", "/x/1", "/x/-", "/x/00", "/x/01", "/x/+0", "/x/\u0660", "/x/9999999999999", "/x/0/y", "/n/a", "/s/0"]
)
def test_a_pointer_that_leads_nowhere_is_passed_over(path: str) -> None:
    claims: dict[str, Any] = {"x": [{}], "n": None, "s": "abc", "tee-pubkey": KEY}
    assert tee_public_key(claims, [path]) == KEY


@pytest.mark.parametrize("value", [None, "key", [KEY], 3])
def test_a08_the_first_place_is_final_even_where_it_has_no_key(value: Any) -> None:
    claims = merged(at(TEE_KEY_PATHS[0], value), at("/tee-pubkey", KEY))
    with pytest.raises(TeeKeyError) as caught:
        tee_public_key(claims)
    assert caught.value.code == "TOKEN-TEE-KEY"


@pytest.mark.parametrize("claims", [{}, {"submods": {"cpu0": {}}}, {"tdx": None}])
def test_a_token_without_a_key_is_refused(claims: dict[str, Any]) -> None:
    with pytest.raises(TeeKeyError) as caught:
        tee_public_key(claims)
    assert caught.value.code == "TOKEN-TEE-KEY"
