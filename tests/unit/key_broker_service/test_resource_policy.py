"""The resource policy on the real engine: only `true` allows; uploads are checked; a stored policy stays."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from key_broker_service.errors import KbsError, ParsePolicyError, PolicyDenyError, PolicyEngineError
from key_broker_service.metrics import Metrics
from key_broker_service.resource_policy import ResourcePolicy, default_policy
from trustee_core.policy.regorus import RegorusEngine
from trustee_core.policy.store import PolicyStore
from trustee_core.storage.contract import StorageTimeoutError
from trustee_core.storage.memory import MemoryBackend, MemoryStore

CLAIMS = json.dumps({"submods": {"cpu0": {"ear.status": "affirming"}}}).encode()
KEY = "resource-policy.rego"


def upload(text: str | bytes) -> bytes:
    raw = text.encode() if isinstance(text, str) else text
    return json.dumps({"policy": base64.urlsafe_b64encode(raw).rstrip(b"=").decode()}).encode()


class Policy:
    def __init__(self) -> None:
        self.store: MemoryStore = MemoryBackend().namespace("kbs")
        self.metrics = Metrics("1.0")
        engine = RegorusEngine()
        self.policy = ResourcePolicy(PolicyStore(self.store, engine), engine, self.metrics)

    async def write(self, text: str) -> None:
        await self.store.put(KEY, text.encode())

    async def allowed(self, path: tuple[str, ...] = ("default", "key", "1"), **query: str) -> str:
        return await self.policy.require_allowed(CLAIMS, "resource", path, query)

    async def refused(self, call: Any) -> KbsError:
        with pytest.raises(KbsError) as caught:
            await call
        return caught.value

    def counts(self) -> tuple[float, ...]:
        names = ("evaluations", "approvals", "violations", "errors")
        return tuple(self.metrics._registry.get_sample_value(f"kbs_policy_{name}_total") or 0 for name in names)


@pytest.fixture
def policy() -> Policy:
    return Policy()


async def test_true_allows_and_names_the_policy(policy: Policy) -> None:
    await policy.write("package policy\ndefault allow := true\n")
    assert len(bytes.fromhex(await policy.allowed())) == 48
    assert policy.counts() == (1, 1, 0, 0)


@pytest.mark.parametrize(
    ("rule", "errors"),
    [
        ("allow := false", 0),
        ("allow if false", 1),
        ("allow := 1", 1),
        ('allow := "true"', 1),
        ("allow := null", 1),
        ("allow := {}", 1),
        ("allowed := true", 1),
    ],
)
async def test_a20_nothing_but_true_allows(policy: Policy, rule: str, errors: int) -> None:
    await policy.write(f"package policy\n{rule}\n")
    error = await policy.refused(policy.allowed())
    assert isinstance(error, PolicyDenyError)
    assert error.code == "POLICY-DENY"
    assert policy.counts() == (1, 0, 1, errors)


async def test_a_policy_sees_claims_plugin_path_and_query(policy: Policy) -> None:
    await policy.write(
        "package policy\ndefault allow := false\nallow if {\n"
        ' data.plugin == "resource"\n data["resource-path"] == ["a", "b", "c"]\n data.query.name == "x y"\n'
        ' input.submods.cpu0["ear.status"] == "affirming"\n}\n'
    )
    assert await policy.allowed(("a", "b", "c"), name="x y")
    assert (await policy.refused(policy.allowed(("a", "b", "c"), name="x"))).code == "POLICY-DENY"
    assert (await policy.refused(policy.allowed(("a", "b", "c/"), name="x y"))).code == "POLICY-DENY"


async def test_a_change_is_followed_at_once(policy: Policy) -> None:
    await policy.write("package policy\nallow := true\n")
    assert await policy.allowed()
    await policy.write("package policy\nallow := false\n")
    assert (await policy.refused(policy.allowed())).code == "POLICY-DENY"


async def test_a29_a_policy_that_fails_or_is_missing_denies_as_an_error(policy: Policy) -> None:
    error = await policy.refused(policy.allowed())
    assert isinstance(error, PolicyEngineError)
    assert error.code == "POLICY-MISSING"
    await policy.write("package policy\nallow if nosuch(1)\n")
    assert isinstance(await policy.refused(policy.allowed()), PolicyEngineError)
    await policy.write("package policy\nallow = {\n")
    assert isinstance(await policy.refused(policy.allowed()), PolicyEngineError)
    assert policy.counts() == (3, 0, 0, 3)


async def test_an_upload_replaces_the_policy_and_is_listed(policy: Policy) -> None:
    await policy.policy.install_default()
    await policy.policy.replace(upload("package policy\nallow := true\n"))
    assert await policy.store.get(KEY) == b"package policy\nallow := true\n"
    assert await policy.policy.ids() == ["resource-policy"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"x", "Illegal SetPolicy Request Json"),
        (b"{}", "No `policy` field inside SetPolicy Request Json"),
        (b"[]", "No `policy` field inside SetPolicy Request Json"),
        (b'{"policy": 1}', "`policy` field is not a string in SetPolicy Request Json"),
        (b'{"policy": "!!!"}', "Failed to decode policy: Invalid symbol 33, offset 0."),
        (b'{"policy": "cA=="}', "Failed to decode policy: Invalid padding"),
        (b'{"policy": "_w"}', "Failed to decode policy: invalid utf-8 sequence of 1 bytes from index 0"),
    ],
)
async def test_a_document_that_is_no_policy_is_refused_in_the_recorded_words(
    policy: Policy, body: bytes, message: str
) -> None:
    error = await policy.refused(policy.policy.replace(body))
    assert isinstance(error, ParsePolicyError)
    assert error.message == f"Failed to parse policy: {message}"
    assert await policy.store.keys() == []


@pytest.mark.parametrize("text", ["package policy\nallow = {", "package policy\nallow if nosuch(1)\n"])
async def test_a29_an_upload_that_does_not_load_or_evaluate_is_not_stored(policy: Policy, text: str) -> None:
    await policy.write("package policy\nallow := false\n")
    error = await policy.refused(policy.policy.replace(upload(text)))
    assert isinstance(error, PolicyEngineError)
    assert error.message.startswith("Policy engine error: Failed to load policy: ")
    assert await policy.store.get(KEY) == b"package policy\nallow := false\n"


async def test_the_default_policy_is_written_once(policy: Policy) -> None:
    await policy.policy.install_default()
    assert await policy.store.get(KEY) == default_policy().encode()
    await policy.write("package policy\nallow := true\n")
    await policy.policy.install_default()
    assert await policy.store.get(KEY) == b"package policy\nallow := true\n"


async def test_a_store_that_fails_denies_as_an_error(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any, **__: Any) -> None:
        raise StorageTimeoutError("no answer")

    for name in ("get", "put", "keys"):
        monkeypatch.setattr(MemoryStore, name, fail)
    for call in (
        policy.allowed(),
        policy.policy.replace(upload("package policy\nallow := true\n")),
        policy.policy.ids(),
    ):
        error = await policy.refused(call)
        assert isinstance(error, PolicyEngineError)
        assert error.code == "STORAGE-TIMEOUT"
