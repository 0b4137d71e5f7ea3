"""A27: everything that writes, or shows what operators wrote, asks for an administrator, however the path is spelt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.key_broker_service.fakes import code, request, variant
from tests.unit.key_broker_service.inprocess import running
from tests.unit.key_broker_service.test_admin import authenticated

if TYPE_CHECKING:
    from pathlib import Path

    from attestack_common.http_server import Response
    from key_broker_service.api import Api

POLICY = {"policy_id": "default_cpu", "policy": "cGFja2FnZSBwb2xpY3kK"}
VALUES = {"version": "0.1.0", "type": "sample", "payload": "eyJhIjogMX0="}
ROUTES: list[tuple[str, str, Any]] = [
    ("POST", "attestation-policy", POLICY),
    ("POST", "attestation-policy/x", POLICY),
    ("POST", "%61ttestation-policy", POLICY),
    ("POST", "reference-value", VALUES),
    ("POST", "reference-value/x/y", VALUES),
    ("GET", "reference-value/svn", b""),
    ("GET", "reference-value", b""),
    ("POST", "resource-policy", {"policy": "cGFja2FnZSBwb2xpY3kK"}),
    ("POST", "resource-policy%2Fx", {"policy": "cGFja2FnZSBwb2xpY3kK"}),
    ("GET", "resource-policy", b""),
    ("POST", "resource/default/key/1", b"x"),
    ("DELETE", "resource/default/key/1", b""),
    ("POST", "%72esource/default/key/1", b"x"),
    ("POST", "resource%2Fdefault%2Fkey%2F1", b"x"),
    ("GET", "sample/x", b""),
    ("PUT", "sample/x", b"x"),
]
HEADERS: list[dict[str, str]] = [
    {},
    {"authorization": "Bearer "},
    {"authorization": "Bearer junk"},
    {"authorization": "Bearer eyJhbGciOiJub25lIn0.eyJyb2xlIjoiYWRtaW4iLCJleHAiOjk5OTk5OTk5OTl9."},
    {"authorization": "Basic YWRtaW46YWRtaW4="},
    {"x-forwarded-for": "127.0.0.1", "x-original-url": "/healthz"},
]


async def ask(api: Api, method: str, target: str, body: Any, headers: dict[str, str]) -> Response:
    return await api(request(method, f"/kbs/v0/{target}", body, **headers))


@pytest.mark.parametrize(("method", "target", "body"), ROUTES)
async def test_a27_without_an_administrators_token_nothing_is_done(
    tmp_path: Path, method: str, target: str, body: Any
) -> None:
    async with running(admin=authenticated(tmp_path)) as broker:
        before = await stored(broker.api)
        for headers in HEADERS:
            response = await ask(broker.api, method, target, body, headers)
            assert response.status == 401
            assert variant(response) in {"AdminAuthAccess", "AdminAuthInitialization"}
            assert code(response) in {"ADMIN-TOKEN-MISSING", "ADMIN-TOKEN-FORMAT", "ADMIN-TOKEN-KEY"}
        assert await stored(broker.api) == before


@pytest.mark.parametrize(("method", "target", "body"), ROUTES)
async def test_a27_deny_all_denies_everyone(method: str, target: str, body: Any) -> None:
    async with running(admin={"authorization_mode": "DenyAll"}) as broker:
        for headers in HEADERS:
            response = await ask(broker.api, method, target, body, headers)
            assert (response.status, code(response)) == (401, "ADMIN-DENY-ALL")


async def stored(api: Api) -> dict[str, list[str]]:
    """All keys of the broker's storage, by namespace, and the resource policy."""
    store = api._plugins._gates.policy._policies._store
    backend = store._backend  # type: ignore[attr-defined]
    names = ("kbs", "repository", "reference_value", "attestation_service_policy")
    policy = await store.get("resource-policy.rego")
    return {name: await backend.namespace(name).keys() for name in names} | {"policy": [str(policy)]}
