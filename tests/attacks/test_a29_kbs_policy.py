"""A29: a bad policy is not stored, and a policy that fails never opens."""

from __future__ import annotations

import base64

import pytest

from tests.unit.key_broker_service.fakes import code, variant
from tests.unit.key_broker_service.inprocess import SECRET, Guest, running

BAD = {
    "not Rego": "package policy\nallow = {",
    "a function that does not exist": "package policy\nallow if nosuch(1)\n",
    "the network": 'package policy\nallow if http.send({"url": "http://127.0.0.1"})\n',
    "a rule that contradicts itself": "package policy\nallow := true\nallow := false\n",
}


@pytest.mark.parametrize("text", BAD.values(), ids=lambda text: text.splitlines()[1])
async def test_a29_a_bad_upload_leaves_the_policy_as_it_was(text: str) -> None:
    async with running() as broker:
        await broker.ready()
        guest = Guest(broker)
        await guest.token()
        encoded = base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()
        response = await broker.ask("POST", "resource-policy", {"policy": encoded})
        assert (response.status, variant(response)) == (401, "PolicyEngineError")
        assert (code(response) or "").startswith("POLICY-")
        assert guest.open(await guest.by_cookie()) == SECRET


@pytest.mark.parametrize("text", [*BAD.values(), "", "package other\nallow := true\n", "\0", "package policy"])
async def test_a29_a_stored_policy_that_fails_denies(text: str) -> None:
    async with running() as broker:
        await broker.ready()
        guest = Guest(broker)
        await guest.token()
        await broker.api._plugins._gates.policy._policies._store.put("resource-policy.rego", text.encode())
        response = await guest.by_cookie()
        assert (response.status, variant(response) in {"PolicyEngineError", "PolicyDeny"}) == (401, True)
        assert SECRET not in response.body
        assert (code(response) or "").startswith("POLICY-")
