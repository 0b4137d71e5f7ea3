"""A30: no spelling of a path reaches another resource, another namespace or another route."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.key_broker_service.fakes import code, variant
from tests.unit.key_broker_service.inprocess import SECRET, Guest, running

SPELLINGS = [
    "resource/../resource-policy",
    "resource/..%2fresource-policy",
    "resource/default/key/../1",
    "resource/default/key/./1",
    "resource/default//key/1",
    "resource//default/key/1",
    "resource/default/key/1/",
    "resource/default/key/1%00",
    "resource/default/key/%2e%2e",
    "resource/default/key/%252e",
    "resource/default/key/1%0a",
    "resource/default/key/1%20",
    "resource/default\\key/1/x",
    "resource/default/key/\\x2F1",
    "resource/default/key",
    "resource/default/key/1/2",
    "resource/%ef%bc%8e%ef%bc%8e/key/1",
    "resource/default/key/%ff",
    "resource/d%C3%A9fault/key/1",
    "resource/..%2f..%2fkbs%2fresource-policy.rego/x/y",
]


@pytest.mark.parametrize("target", SPELLINGS)
async def test_a30_a_path_that_is_no_resource_path_is_refused_for_reading_and_writing(target: str) -> None:
    async with running() as broker:
        await broker.ready()
        guest = Guest(broker)
        await guest.token()
        for response in (
            await broker.ask("POST", target, b"overwritten"),
            await broker.ask("DELETE", target),
            await guest.by_cookie(target),
        ):
            assert (response.status, variant(response), code(response)) == (401, "PluginInternalError", "RESOURCE-PATH")
        assert guest.open(await guest.by_cookie()) == SECRET


@pytest.mark.parametrize("target", ["resource/Default/key/1", "resource/default/key/1.", "resource/default/key/01"])
async def test_a30_a_name_that_looks_alike_is_another(target: str) -> None:
    async with running() as broker:
        await broker.ready()
        guest = Guest(broker)
        await guest.token()
        assert code(await guest.by_cookie(target)) == "RESOURCE-MISSING"


async def test_a30_the_policy_sees_the_path_that_is_served() -> None:
    policy = (
        'package policy\ndefault allow := false\nallow if data["resource-path"] == ["default", "key", "1"]\n'
        'allow if data["resource-path"][0] == "public"\n'
    )
    async with running() as broker:
        await broker.ready()
        await broker.set_resource("public/x/y", b"public")
        await broker.set_resource("private/x/y", b"private")
        await broker.set_policy(policy)
        guest = Guest(broker)
        await guest.token()
        for target in ("resource/default%2Fkey/1", "resource/%64efault/key/1"):
            assert guest.open(await guest.by_cookie(target)) == SECRET
        for target in ("resource/private/x/y?resource-path=public", "resource/private/x/y?plugin=public"):
            assert code(await guest.by_cookie(target)) == "POLICY-DENY"
        for target in ("resource/public/../private/x/y", "resource/public%2F..%2Fprivate%2Fx%2Fy"):
            assert code(await guest.by_cookie(target)) == "RESOURCE-PATH"


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=30))
async def test_a30_no_path_reads_beyond_the_namespace(tail: str) -> None:
    async with running() as broker:
        await broker.set_policy("package policy\nallow := true\n")
        guest = Guest(broker)
        await guest.token()
        target = "resource/" + "".join(f"%{byte:02x}" for byte in tail.encode("utf-8", "surrogatepass"))
        response = await guest.by_cookie(target)
        assert response.status == 401
        assert code(response) in {"RESOURCE-PATH", "RESOURCE-MISSING"}
