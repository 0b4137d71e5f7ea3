"""The routes of `restful-as`: statuses, headers and texts as recorded, with our codes behind them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from attestack_common.http_server import Request, Response
from attestation_service.cors import VARY, CrossOrigin
from attestation_service.errors import RequestError
from attestation_service.restful import RestApi, internal_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.unit.attestation_service.service_bench import Bench

SAMPLE = {"verification_requests": [{"tee": "sample", "evidence": "eyJzdm4iOiIxIn0"}], "policy_ids": []}
JSON = {"content-type": "application/json"}


async def call(
    bench: Bench, method: str, path: str, document: Any = None, headers: Mapping[str, str] = JSON, raw: bytes = b""
) -> Response:
    body = raw or (b"" if document is None else json.dumps(document).encode())
    api = RestApi(bench.service, CrossOrigin(["https://app.example"]))
    return await api(Request(method, path.encode(), path, {}, dict(headers), body))


async def test_a_token_is_the_whole_body_without_a_type(bench: Bench) -> None:
    response = await call(bench, "POST", "/attestation", SAMPLE)
    assert (response.status, response.content_type, response.headers) == (200, None, (VARY,))
    assert response.body.count(b".") == 2


async def test_a_refusal_is_the_recorded_text_with_advice_and_code(bench: Bench) -> None:
    response = await call(bench, "POST", "/attestation", {**SAMPLE, "policy_ids": ["nosuch"]})
    assert (response.status, response.content_type) == (500, None)
    assert response.body.decode() == (
        "An internal error occured: \n0: attestation report evaluate\n1: Policy `nosuch_cpu.rego` not found"
        " (set it under this id, or name another policy) [POLICY-MISSING]"
    )


async def test_a_request_that_does_not_decode_has_no_context(bench: Bench) -> None:
    response = await call(bench, "POST", "/attestation", {"tee": "nosuch", "evidence": "e30"})
    assert response.status == 500
    assert response.body.startswith(b"An internal error occured: \n0: tee `nosuch not supported` (known: az-snp-vtpm, ")
    assert response.body.endswith(b") [TEE-UNKNOWN]")


async def test_a_body_of_another_shape_is_answered_400(bench: Bench) -> None:
    response = await call(bench, "POST", "/attestation", {})
    assert (response.status, response.content_type) == (400, "text/plain; charset=utf-8")
    assert response.body == (
        b"Json deserialize error: missing field `verification_requests` at line 1 column 2 [AS-BODY]"
    )


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", ""])
async def test_a_body_that_is_not_declared_as_json_is_answered_400(bench: Bench, kind: str | None) -> None:
    headers = {} if kind is None else {"content-type": kind}
    response = await call(bench, "POST", "/attestation", SAMPLE, headers)
    assert (response.status, response.close) == (400, True)
    assert response.body == b"Content type error (send the header content-type: application/json) [AS-CONTENT-TYPE]"


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8", "application/vnd.x+json"])
async def test_json_may_be_declared_in_several_ways(bench: Bench, kind: str) -> None:
    assert (await call(bench, "POST", "/attestation", SAMPLE, {"content-type": kind})).status == 200


async def test_a_policy_can_be_read(bench: Bench) -> None:
    document = {"policy_id": "mine_cpu", "policy": "cGFja2FnZSBwb2xpY3k"}
    await call(bench, "POST", "/policy", document)
    found = await call(bench, "GET", "/policy/mine_cpu")
    assert (found.status, found.content_type, found.body) == (200, "text/plain; charset=utf-8", b"package policy")
    assert b"trust_claims" in (await call(bench, "GET", "/policy/default_cpu")).body


@pytest.mark.parametrize("name", ["none", "mine", "", "../default_cpu", "default_cpu.rego", "default_cpu/", "a\0b"])
async def test_a_policy_that_is_not_there_is_not_found(bench: Bench, name: str) -> None:
    assert await call(bench, "GET", f"/policy/{name}") == Response(404, headers=(VARY,))


async def test_policies_are_not_deleted(bench: Bench) -> None:
    assert (await call(bench, "DELETE", "/policy/default_cpu")).status == 404


async def test_policies_are_stored_and_listed(bench: Bench) -> None:
    document = {"policy_id": "mine_cpu", "policy": "cGFja2FnZSBwb2xpY3k"}
    assert await call(bench, "POST", "/policy", document) == Response(200, headers=(VARY,))
    listed = await call(bench, "GET", "/policy")
    assert (listed.status, listed.content_type) == (200, None)
    assert listed.body == (
        b'[{"policy-id":"default_cpu"},{"policy-id":"default_gpu"},{"policy-id":"default_ppcie"},'
        b'{"policy-id":"default_switch"},{"policy-id":"mine_cpu"}]'
    )


async def test_a_policy_that_does_not_load_is_refused(bench: Bench) -> None:
    document = {"policy_id": "bad", "policy": "cGFja2FnZSBwb2xpY3kKeCA9IHs"}
    response = await call(bench, "POST", "/policy", document)
    assert response.status == 500
    assert response.body.startswith(b"An internal error occured: \n0: set policy\n1: Failed to load policy: \n--> ")
    assert response.body.endswith(b"[POLICY-PARSE]")


async def test_policies_that_cannot_be_listed_say_so(bench: Bench) -> None:
    await bench.storage.namespace("attestation_service_policy").put("stray", b"x")
    response = await call(bench, "GET", "/policy")
    assert response.status == 500
    assert response.body.startswith(b"An internal error occured: \n0: get policies\n1: cannot list the policies: ")
    assert response.body.endswith(b"[POLICY-STORE]")


async def test_challenges(bench: Bench) -> None:
    answer = await call(bench, "POST", "/challenge", {"tee": "sample", "tee_params": ""})
    assert answer == Response(200, headers=(VARY,))
    response = await call(bench, "POST", "/challenge", {"tee": "se", "tee_params": "{}"})
    assert response.status == 500
    assert response.body.startswith(
        b"An internal error occured: \n0: generate challenge\n1: feature `se-verifier` is not enabled for `verifier` "
    )
    assert response.body.endswith(b"[VERIFIER-NONE]")


async def test_the_jwk_set_is_json(bench: Bench) -> None:
    response = await call(bench, "GET", "/.well-known/jwks.json")
    assert (response.status, response.content_type) == (200, "application/json")
    assert json.loads(response.body) == bench.service.jwks()


async def test_health(bench: Bench) -> None:
    assert await call(bench, "GET", "/healthz") == Response(200, headers=(VARY,))


@pytest.mark.parametrize("path", ["/", "/policy/mine", "/certificate", "/jwks", "/health", "/attestation/", "/Policy"])
async def test_unknown_paths_are_404_without_a_body(bench: Bench, path: str) -> None:
    assert await call(bench, "GET", path) == Response(404, headers=(VARY,))


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/attestation", "POST"),
        ("DELETE", "/policy", "POST, GET"),
        ("OPTIONS", "/challenge", "POST"),
        ("HEAD", "/healthz", "GET"),
    ],
)
async def test_other_methods_are_405_and_say_which_are_allowed(
    bench: Bench, method: str, path: str, allowed: str
) -> None:
    assert await call(bench, method, path) == Response(405, headers=(("allow", allowed), VARY))


async def test_an_allowed_origin_is_echoed_on_refusals_too(bench: Bench) -> None:
    response = await call(bench, "GET", "/nosuch", headers={"origin": "https://app.example"})
    assert response.headers == (("access-control-allow-origin", "https://app.example"), VARY)


async def test_a_preflight_is_answered_before_the_routes(bench: Bench) -> None:
    asked = {"origin": "https://app.example", "access-control-request-method": "POST"}
    response = await call(bench, "OPTIONS", "/attestation", headers=asked)
    assert response.status == 200
    assert ("access-control-allow-methods", "POST, GET, OPTIONS") in response.headers
    refused = await call(bench, "OPTIONS", "/attestation", headers={**asked, "access-control-request-method": "PUT"})
    assert (refused.status, refused.body) == (400, b"Requested method is not allowed.")


def test_layers_are_numbered_from_the_outside() -> None:
    error = RequestError("m", code="X", advice="do this", layers=("outer", "inner"))
    assert internal_text(error) == "An internal error occured: \n0: outer\n1: inner (do this) [X]"
