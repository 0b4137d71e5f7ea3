"""A29: a policy that does not work is stored, and fails open or for ever later."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from trustee_core.policy.contract import PolicyError
from trustee_core.policy.regorus import RegorusEngine
from trustee_core.policy.store import PolicyStore
from trustee_core.storage.memory import MemoryBackend

if TYPE_CHECKING:
    from trustee_core.storage.contract import KeyValueStore

ALLOW = "data.policy.allow"
HEAD = "package policy\nimport rego.v1\n"
GOOD = HEAD + "default allow := false\n"
DEEP = HEAD + "allow := " + "[" * 40 + "1" + "]" * 40

BAD = {
    "not Rego": ("{", "POLICY-PARSE"),
    "empty": ("", "POLICY-PARSE"),
    "cut off": ("package policy\nallow = {", "POLICY-PARSE"),
    "of an older version": ("package policy\nallow { true }", "POLICY-PARSE"),
    "an unknown function": (HEAD + "allow if no_such(1)", "POLICY-FUNCTION"),
    "an unknown function that is not reached": (HEAD + "allow if { input.x; no_such(1) }", "POLICY-FUNCTION"),
    "a network call": (HEAD + 'allow if http.send({"method": "get", "url": "http://h"}).status', "POLICY-BUILTIN"),
    "the environment": (HEAD + "allow if opa.runtime().env.KEY", "POLICY-BUILTIN"),
    "two values": (HEAD + "allow := true\nallow := false", "POLICY-EVALUATION"),
    "a wrong type": (HEAD + 'allow if to_number("x") > 1', "POLICY-EVALUATION"),
    "rules in a circle": (HEAD + "allow if a\na if allow", "POLICY-EVALUATION"),
    "functions in a circle": (HEAD + "f(x) := f(x + 1)\nallow if f(1)", "POLICY-RECURSION"),
    "the service's own name": (HEAD + "query_reference_value(_) := 1\nallow := true", "POLICY-REFUSED"),
    "a replaced function": (HEAD + "f(_) := 1\nallow if { count([]) == 1 with count as f }", "POLICY-MOCK"),
    "too deep": (DEEP, "POLICY-BOUNDS"),
    "too wide": (HEAD + f'allow := "{"x" * 2000}"', "POLICY-BOUNDS"),
    "too long": (HEAD + "\n" * 20_000, "POLICY-BOUNDS"),
    "too large": (HEAD + ("#" * 1000 + "\n") * 1100, "POLICY-BOUNDS"),
}


@pytest.fixture
def namespace() -> KeyValueStore:
    return MemoryBackend().namespace("kbs")


@pytest.mark.parametrize("name", BAD)
async def test_a29_what_does_not_evaluate_is_not_stored(namespace: KeyValueStore, name: str) -> None:
    text, code = BAD[name]
    policies = PolicyStore(namespace, RegorusEngine())
    await policies.install_default("resource-policy", GOOD)
    with pytest.raises(PolicyError) as caught:
        await policies.set("resource-policy", base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode(), [ALLOW])
    assert caught.value.code == code
    assert "backtrace" not in caught.value.engine_text
    assert await namespace.get("resource-policy.rego") == GOOD.encode()


@pytest.mark.parametrize("name", BAD)
async def test_a29_what_was_stored_by_others_is_refused_when_it_is_used(namespace: KeyValueStore, name: str) -> None:
    text, _ = BAD[name]
    if name == "an unknown function that is not reached":
        return  # it decides as it would at upstream's: the function is not called
    await namespace.put("resource-policy.rego", text.encode())
    engine = RegorusEngine()
    stored = await PolicyStore(namespace, engine).get("resource-policy")
    with pytest.raises(PolicyError):
        await engine.evaluate(stored, [ALLOW], input_json=b'{"x": 1}', data_json=b'{"plugin": "resource"}')


async def test_a29_an_upload_replaces_and_a_default_does_not(namespace: KeyValueStore) -> None:
    policies = PolicyStore(namespace, RegorusEngine())
    mine = HEAD + "allow := true\n"
    assert await policies.install_default("resource-policy", GOOD)
    await policies.set("resource-policy", base64.urlsafe_b64encode(mine.encode()).rstrip(b"=").decode(), [ALLOW])
    assert not await policies.install_default("resource-policy", GOOD)
    assert await policies.get("resource-policy") == mine
