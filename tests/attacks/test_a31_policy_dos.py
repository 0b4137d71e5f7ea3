"""A31: no policy, whatever it computes, and no input stops the service.

Policies come from operators, who make mistakes; input comes from guests. The deadlines are shorter here.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from trustee_core.policy import regorus
from trustee_core.policy.contract import PolicyError
from trustee_core.policy.regorus import RegorusEngine
from trustee_core.policy.worker_pool import PoolLimits

from tests.unit.key_broker_service.fakes import code, variant
from tests.unit.key_broker_service.inprocess import ALLOW as ALLOW_RESOURCES
from tests.unit.key_broker_service.inprocess import SECRET, Guest, running
from tests.unit.trustee_core.policy.endless import ENDLESS, HUNGRY, JOIN, WALKING
from tests.unit.trustee_core.policy.evaluation import ALLOW, HEAD
from tests.unit.trustee_core.policy.test_store import encoded

if TYPE_CHECKING:
    from collections.abc import Awaitable

COUNTING = HEAD + "allow := count(numbers.range(1, input.n)) > 0"


def chain(first: str, rule: str, last: str) -> str:
    """A policy of 40 rules, each of which uses the one before it twice."""
    return HEAD + first + "".join(f"{rule.format(new=number + 1, old=number)}\n" for number in range(40)) + last


DOUBLED = chain("a0 := `xxxxxxxx`\n", "a{new} := concat(``, [a{old}, a{old}])", "allow := a40")
LAUGHING = chain("a0 := [1]\n", "a{new} := [a{old}, a{old}]", "allow := a40")
CALLING = chain("f0(x) := x\n", "f{new}(x) := f{old}(x) + f{old}(x)", "allow := f40(1)")


@pytest.fixture(autouse=True)
def short_deadlines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regorus, "CHECK_SECONDS", 0.5)
    monkeypatch.setattr(regorus, "EVALUATION_SECONDS", 0.5)


async def refusal(asked: Awaitable[Any]) -> tuple[str, int]:
    """The code of a refusal, and how often the loop came round while it was awaited."""
    task = asyncio.ensure_future(asked)
    turns = 0
    while not task.done():
        await asyncio.sleep(0.01)
        turns += 1
    with pytest.raises(PolicyError) as caught:
        await task
    return caught.value.code, turns


async def evaluate(engine: RegorusEngine, policy: str, claims: Any) -> Any:
    evaluation = await engine.evaluate(policy, [ALLOW], input_json=json.dumps(claims).encode())
    return evaluation.values[ALLOW]


@pytest.mark.parametrize(
    ("policy", "codes"),
    [
        (ENDLESS, {"POLICY-TIME"}),
        (CALLING, {"POLICY-TIME"}),
        (HUNGRY, {"POLICY-TIME", "POLICY-PROCESS"}),
        (DOUBLED, {"POLICY-TIME", "POLICY-PROCESS"}),
        (LAUGHING, {"POLICY-TIME", "POLICY-PROCESS"}),
    ],
    ids=["endless", "calling", "hungry", "doubled", "laughing"],
)
async def test_a31_an_upload_that_does_not_end_is_refused_and_stops_nobody(policy: str, codes: set[str]) -> None:
    engine = RegorusEngine()
    refused, turns = await refusal(engine.check(policy, [ALLOW]))
    assert refused in codes
    assert turns >= 5
    await engine.check(HEAD + "allow := true", [ALLOW])
    await engine.close()


@pytest.mark.parametrize("policy", [ENDLESS, CALLING, HUNGRY, DOUBLED, LAUGHING])
async def test_a31_a_policy_that_came_into_the_store_by_another_way_stops_nobody(policy: str) -> None:
    engine = RegorusEngine()
    refused, turns = await refusal(evaluate(engine, policy, {}))
    assert refused in {"POLICY-TIME", "POLICY-PROCESS"}
    assert turns >= 5
    assert await evaluate(engine, WALKING, {}) is False
    await engine.close()


@pytest.mark.parametrize(
    ("policy", "small", "large"),
    [
        (JOIN, {"a": [{"x": 1}] * 3}, {"a": [{"x": 1}] * 1000}),
        (COUNTING, {"n": 3}, {"n": 10**12}),
    ],
)
async def test_a31_a_guest_cannot_stop_the_service_by_its_input(policy: str, small: Any, large: Any) -> None:
    engine = RegorusEngine()
    await evaluate(engine, policy, small)
    refused, turns = await refusal(evaluate(engine, policy, large))
    assert refused in {"POLICY-TIME", "POLICY-PROCESS", "POLICY-EVALUATION"}
    assert turns >= 1
    await evaluate(engine, policy, small)
    await engine.close()


async def test_a31_many_guests_that_ask_for_much_leave_the_others_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = PoolLimits(processes=2, waiting=4, waiting_seconds=60.0, idle_seconds=60.0)
    monkeypatch.setattr(regorus, "EVALUATING", limits)
    engine = RegorusEngine()
    claims = {"a": [{"x": 1}] * 1000}
    greedy = [asyncio.create_task(evaluate(engine, JOIN, claims)) for _ in range(20)]
    await asyncio.sleep(0.05)
    assert [await evaluate(engine, HEAD + "allow := input.x", {"x": number}) for number in range(100)] == list(
        range(100)
    )
    refused = await asyncio.gather(*greedy, return_exceptions=True)
    codes = [error.code for error in refused if isinstance(error, PolicyError)]
    assert set(codes) == {"POLICY-BUSY", "POLICY-TIME"}
    assert len(codes) == 20
    assert codes.count("POLICY-TIME") <= 2 + 4
    await engine.close()


async def test_a31_an_endless_upload_to_the_broker_is_refused_while_guests_are_served() -> None:
    async with running() as broker:
        await broker.ready()
        guest = Guest(broker)
        await guest.token()
        upload = asyncio.create_task(broker.ask("POST", "resource-policy", {"policy": encoded(ENDLESS)}))
        served = 0
        while not upload.done():
            assert guest.open(await guest.by_cookie()) == SECRET
            served += 1
            await asyncio.sleep(0.01)
        response = await upload
        assert (response.status, variant(response), code(response)) == (401, "PolicyEngineError", "POLICY-TIME")
        assert served >= 5
        assert guest.open(await guest.by_cookie()) == SECRET


async def test_a31_a_stored_policy_that_does_not_end_denies_and_stops_nobody() -> None:
    async with running() as broker:
        await broker.ready()
        guest = Guest(broker)
        await guest.token()
        await broker.api._plugins._gates.policy._policies._store.put("resource-policy.rego", ENDLESS.encode())
        response = await guest.by_cookie()
        assert (response.status, variant(response), code(response)) == (401, "PolicyEngineError", "POLICY-TIME")
        assert SECRET not in response.body
        await broker.set_policy(ALLOW_RESOURCES)
        assert guest.open(await guest.by_cookie()) == SECRET
        engine = broker.api._plugins._gates.policy._engine
    assert isinstance(engine, RegorusEngine)
    assert [pool._state[0].processes for pool in (engine._workers, engine._checkers)] == [set(), set()]


@pytest.mark.parametrize(
    "call",
    [
        'http.send({"method": "get", "url": "http://127.0.0.1"})',
        'net.lookup_ip_addr("localhost")',
        "opa.runtime()",
        'io.jwt.decode("a.b.c")',
        'rand.intn("a", 2)',
        'crypto.sha256("a")',
        "file.read(`/etc/passwd`)",
    ],
)
async def test_a31_there_is_no_network_no_file_and_no_environment(call: str) -> None:
    engine = RegorusEngine()
    for asked in (engine.check(HEAD + f"allow := {call}", [ALLOW]), evaluate(engine, HEAD + f"allow := {call}", {})):
        refused, _ = await refusal(asked)
        assert refused in {"POLICY-BUILTIN", "POLICY-FUNCTION", "POLICY-EVALUATION"}
    await engine.close()
