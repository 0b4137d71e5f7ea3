"""The engine: compiled once, reference values in batches, one engine for each thread."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest
from attestack_common.errors import AttestackError
from trustee_core.policy import compiled, placement, regorus
from trustee_core.policy.contract import UNDEFINED, Evaluation, PolicyEngine, PolicyError, PolicyEvaluationError
from trustee_core.policy.messages import Reply, Request
from trustee_core.policy.regorus import MAX_LEARNED, MAX_ROUNDS, RegorusEngine

from tests.unit.trustee_core.policy.evaluation import ALLOW, HEAD

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Values:
    """Reference values that count how they are asked for."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values
        self.batches: list[tuple[str, ...]] = []

    async def __call__(self, ids: Sequence[str]) -> Mapping[str, Any]:
        await asyncio.sleep(0)
        self.batches.append(tuple(ids))
        return self.values


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text that was compiled."""
    texts: list[str] = []

    class Counting(compiled.CompiledPolicy):
        def __init__(self, text: str) -> None:
            texts.append(text)
            super().__init__(text)

    monkeypatch.setattr(placement, "CompiledPolicy", Counting)
    return texts


async def allowed(engine: RegorusEngine, text: str, claims: bytes = b"{}", values: Values | None = None) -> Any:
    evaluation = await engine.evaluate(text, [ALLOW], input_json=claims, reference_values=values)
    return evaluation.values[ALLOW]


async def test_it_is_a_policy_engine() -> None:
    engine: PolicyEngine = RegorusEngine()
    evaluation = await engine.evaluate(
        HEAD + "allow := data.a + input.b", [ALLOW, "data.policy.x"], input_json=b'{"b": 1}', data_json=b'{"a": 2}'
    )
    assert evaluation == Evaluation(
        {ALLOW: 3, "data.policy.x": UNDEFINED}, frozenset({"data.policy.x"}), evaluation.policy_hash
    )
    assert len(evaluation.policy_hash) == 96


async def test_a_text_is_compiled_once(compilations: list[str]) -> None:
    engine = RegorusEngine()
    text = HEAD + "allow := input.x"
    assert [await allowed(engine, text, claims) for claims in (b'{"x": 1}', b'{"x": 2}')] == [1, 2]
    assert compilations == [text]


async def test_the_texts_used_last_are_kept(compilations: list[str]) -> None:
    engine = RegorusEngine(max_policies=2)
    one, two, three = (f"{HEAD}allow := {number}" for number in range(3))
    for text in (one, two, one, three, one, two):
        await allowed(engine, text)
    assert compilations == [one, two, three, two]


async def test_a_refused_text_is_not_kept(compilations: list[str]) -> None:
    engine = RegorusEngine()
    for _ in range(2):
        with pytest.raises(PolicyError):
            await allowed(engine, "nonsense")
    assert compilations == ["nonsense", "nonsense"]


async def test_literal_ids_are_fetched_in_one_batch() -> None:
    values = Values({"a": 1, "b": 2, "unasked": 3})
    missing = "default c := 0\nc := query_reference_value(`c`)\n"
    text = f"{HEAD}{missing}allow := [query_reference_value(`a`), query_reference_value(`b`), c]"
    assert await allowed(RegorusEngine(), text, values=values) == [1, 2, 0]
    assert values.batches == [("c", "a", "b")]


async def test_ids_that_depend_on_values_take_a_round_each_and_are_remembered() -> None:
    engine = RegorusEngine()
    values = Values({"first": "second", "second": "third", "third": 3})
    text = HEAD + 'allow := query_reference_value(query_reference_value(query_reference_value("first")))'
    assert await allowed(engine, text, values=values) == 3
    assert values.batches == [("first",), ("second",), ("third",)]
    assert await allowed(engine, text, values=values) == 3
    assert values.batches[3:] == [("first", "second", "third")]


async def test_values_are_fetched_anew_for_each_evaluation() -> None:
    engine = RegorusEngine()
    text = HEAD + 'allow := query_reference_value("v")'
    assert [await allowed(engine, text, values=Values({"v": value})) for value in (1, None, 2)] == [1, UNDEFINED, 2]


async def test_a_policy_that_asks_for_nothing_fetches_nothing() -> None:
    values = Values({})
    assert await allowed(RegorusEngine(), HEAD + "allow := true", values=values) is True
    assert values.batches == []


async def test_without_a_source_every_reference_value_is_missing() -> None:
    assert await allowed(RegorusEngine(), HEAD + 'default allow := 0\nallow := query_reference_value("v")') == 0


async def test_an_endless_question_is_an_error() -> None:
    class Endless(Values):
        async def __call__(self, ids: Sequence[str]) -> Mapping[str, Any]:
            await super().__call__(ids)
            return {name: f"{name}+" for name in ids}

    walk = "".join(f"v{n + 1} := query_reference_value(v{n})\n" for n in range(MAX_ROUNDS + 2))
    values = Endless({})
    with pytest.raises(PolicyEvaluationError) as caught:
        await allowed(RegorusEngine(), f'{HEAD}v0 := "v"\n{walk}allow := v{MAX_ROUNDS + 2}', values=values)
    assert caught.value.code == "POLICY-REFERENCE-VALUES"
    assert len(values.batches) == MAX_ROUNDS - 1


async def test_too_many_ids_over_several_rounds_are_an_error() -> None:
    many = "{v | some n in numbers.range(1, 3000); v := query_reference_value(sprintf(`%s%d`, [KIND, n]))}"
    text = f"{HEAD}one := {many.replace('KIND', '`a`')}\nallow := {many.replace('KIND', 'one[_]')}"
    values = Values({f"a{number}": "b" for number in range(1, 3001)})
    with pytest.raises(PolicyEvaluationError) as caught:
        await allowed(RegorusEngine(), text, values=values)
    assert caught.value.code == "POLICY-REFERENCE-VALUES"
    assert [len(batch) for batch in values.batches] == [3000]


async def test_a_bounded_number_of_ids_is_remembered() -> None:
    engine = RegorusEngine()
    values = Values({})
    text = HEAD + "allow := {v | some n in numbers.range(1, 300); v := query_reference_value(format_int(n, 10))}"
    assert await allowed(engine, text, values=values) == []
    assert await allowed(engine, text, values=values) == []
    assert [len(batch) for batch in values.batches] == [300, MAX_LEARNED, 300 - MAX_LEARNED]


async def test_a_source_that_fails_is_an_error_of_the_evaluation() -> None:
    async def fails(_ids: Sequence[str]) -> Mapping[str, Any]:
        raise AttestackError("the store is gone", code="STORAGE", advice="start it")

    with pytest.raises(PolicyEvaluationError) as caught:
        await RegorusEngine().evaluate(
            HEAD + 'allow := query_reference_value("v")', [ALLOW], input_json=b"{}", reference_values=fails
        )
    assert (caught.value.code, caught.value.advice) == ("POLICY-REFERENCE-VALUES", "start it")
    assert "the store is gone" in caught.value.message


async def test_a_source_that_does_not_answer_is_an_error_of_the_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hangs(_ids: Sequence[str]) -> Mapping[str, Any]:
        await asyncio.Event().wait()
        return {}

    monkeypatch.setattr(regorus, "FETCH_SECONDS", 0.01)
    with pytest.raises(PolicyEvaluationError) as caught:
        await RegorusEngine().evaluate(
            HEAD + 'allow := query_reference_value("v")', [ALLOW], input_json=b"{}", reference_values=hangs
        )
    assert caught.value.code == "POLICY-REFERENCE-VALUES"


async def test_evaluations_that_wait_do_not_mix() -> None:
    engine = RegorusEngine()
    text = HEAD + 'allow := [input.who, query_reference_value(concat("", ["of ", query_reference_value(input.who)]))]'

    async def one(number: int) -> Any:
        values = Values({f"w{number}": f"v{number}", f"of v{number}": number})
        return await allowed(engine, text, f'{{"who": "w{number}"}}'.encode(), values)

    assert await asyncio.gather(*(one(number) for number in range(20))) == [[f"w{n}", n] for n in range(20)]


def test_each_thread_compiles_for_itself(compilations: list[str]) -> None:
    engine = RegorusEngine()
    text = HEAD + "allow := input.x"
    got: list[Any] = []

    def use() -> None:
        got.extend(asyncio.run(allowed(engine, text, b'{"x": 5}')) for _ in range(2))

    for _ in range(2):
        thread = threading.Thread(target=use)
        thread.start()
        thread.join()
    use()
    assert got == [5] * 6
    assert compilations == [text] * 3


async def test_a_policy_whose_engine_broke_off_is_compiled_anew(
    compilations: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = RegorusEngine()
    text = HEAD + "allow := true"

    def broken(*_arguments: object) -> compiled.Run:
        raise PolicyEvaluationError("the policy engine broke off", code="POLICY-PANIC")

    with monkeypatch.context() as patch:
        patch.setattr(compiled.CompiledPolicy, "run", broken)
        with pytest.raises(PolicyEvaluationError):
            await allowed(engine, text)
    assert await allowed(engine, text) is True
    assert compilations == [text, text]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("nonsense", "POLICY-PARSE"),
        (HEAD + "query_reference_value(x) := 1", "POLICY-REFUSED"),
        (HEAD + "allow if { input.never; no_such_function(1) }", "POLICY-FUNCTION"),
        (HEAD + "f(x) := no.such(x)\nallow := 1", "POLICY-FUNCTION"),
        (HEAD + "allow := data.policy.missing(1)", "POLICY-FUNCTION"),
        (HEAD + "allow := to_number(`a`)", "POLICY-EVALUATION"),
        (HEAD + "allow := 1\nallow := 2", "POLICY-EVALUATION"),
    ],
)
async def test_a29_an_upload_must_evaluate(text: str, code: str) -> None:
    with pytest.raises(PolicyError) as caught:
        await RegorusEngine().check(text, [ALLOW])
    assert caught.value.code == code


async def test_a29_an_unknown_function_reads_as_the_engine_would_say_it() -> None:
    with pytest.raises(PolicyEvaluationError) as caught:
        await RegorusEngine().check(HEAD + "allow if { input.never; b(1); a(2) }", [ALLOW])
    assert caught.value.engine_text == "could not find function a"


@pytest.mark.parametrize(
    "body",
    [
        "allow := true",
        "other := 1",
        'allow if input.submods.cpu0["ear.status"] == "affirming"',
        'allow if { regex.match("^a", data.plugin); count(input.x) > 1; time.now_ns() > 0; print("x") }',
        'allow if input.x in query_reference_value("v")',
        "f(x) := x\nallow := data.policy.f(1)",
    ],
)
async def test_a_good_upload_passes(body: str) -> None:
    await RegorusEngine().check(HEAD + body, [ALLOW])


SLOW = HEAD + "allow := [v | walk(input, [_, v])]"
"""A text without a bound: a worker evaluates it."""


def elsewhere(engine: RegorusEngine) -> bool:
    """Whether the engine has evaluated in a worker."""
    return bool(engine._workers._state[0].processes)


async def test_what_a_worker_says_is_what_a_thread_says() -> None:
    engine = RegorusEngine()
    body = "allow := [input.a, data.b, query_reference_value(`c`)]\nothers := null\nnever if input.x\n"
    names = [ALLOW, "data.policy.others", "data.policy.never", "data.policy.absent"]

    async def evaluation(text: str) -> Evaluation:
        return await engine.evaluate(
            text, names, input_json=b'{"a": 1.5}', data_json=b'{"b": [null]}', reference_values=Values({"c": 2**70})
        )

    here = await evaluation(HEAD + body)
    assert not elsewhere(engine)
    there = await evaluation(HEAD + body + "slow := walk(input)")
    assert elsewhere(engine)
    assert (there.values, there.absent) == (here.values, here.absent)
    assert there.values[ALLOW] == [1.5, [None], 2**70]
    assert there.policy_hash == compiled.policy_hash(HEAD + body + "slow := walk(input)")
    await engine.close()


async def test_a_worker_asks_for_reference_values_in_the_same_rounds() -> None:
    engine = RegorusEngine()
    values = Values({"first": "second", "second": "third", "third": 3})
    text = HEAD + 'allow := query_reference_value(query_reference_value(query_reference_value("first")))\n'
    slow = text + "slow := walk(input)"
    assert await allowed(engine, slow, values=values) == 3
    assert values.batches == [("first",), ("second",), ("third",)]
    assert await allowed(engine, slow, values=values) == 3
    assert values.batches[3:] == [("first", "second", "third")]
    await engine.close()


@pytest.mark.parametrize(
    ("text", "claims", "code"),
    [
        (HEAD + "slow := walk(input)\nallow := to_number(`a`)", b"{}", "POLICY-EVALUATION"),
        (HEAD + "slow := walk(input)\nallow := 1", b"{", "POLICY-EVALUATION"),
        (HEAD + "slow := walk(input)\nallow := 1", b"\xff", "POLICY-INPUT"),
        ("# " + "x" * 40_000 + "\nnonsense", b"{}", "POLICY-PARSE"),
        ("# " + "x" * 2_000_000, b"{}", "POLICY-BOUNDS"),
    ],
)
async def test_an_error_in_a_worker_is_the_error_of_a_thread(text: str, claims: bytes, code: str) -> None:
    engine = RegorusEngine()
    with pytest.raises(PolicyError) as caught:
        await allowed(engine, text, claims)
    assert caught.value.code == code
    await engine.close()


async def test_a31_a_large_input_goes_to_a_worker() -> None:
    engine = RegorusEngine()
    text = HEAD + "allow := count([1 | some x in input; some y in input; x == y])"
    assert await allowed(engine, text, b"[1, 2, 3]") == 3
    assert not elsewhere(engine)
    assert await allowed(engine, text, json.dumps(list(range(500))).encode()) == 500
    assert elsewhere(engine)
    await engine.close()


async def test_a31_what_took_long_on_a_thread_goes_to_a_worker_the_next_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    engine = RegorusEngine()
    text = HEAD + "allow := input.x"
    with monkeypatch.context() as patch:
        patch.setattr(regorus, "SLOW_SECONDS", -1.0)
        assert await allowed(engine, text, b'{"x": 1}') == 1
        assert caplog.records == []  # it may have been the machine that was slow
        assert await allowed(engine, text, b'{"x": 1}') == 1
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert not elsewhere(engine)
    assert await allowed(engine, text, b'{"x": 2}') == 2
    assert elsewhere(engine)
    await engine.close()


async def test_a31_what_took_long_at_the_upload_goes_to_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = RegorusEngine()
    text = HEAD + "allow := input.x"
    with monkeypatch.context() as patch:
        patch.setattr(regorus, "SLOW_SECONDS", -1.0)
        await engine.check(text, [ALLOW])
    assert await allowed(engine, text, b'{"x": 2}') == 2
    assert elsewhere(engine)
    await engine.close()


async def test_a_bounded_number_of_slow_policies_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = RegorusEngine(max_policies=2)
    monkeypatch.setattr(regorus, "SLOW_SECONDS", -1.0)
    texts = [f"{HEAD}allow := {number}" for number in range(3)]
    for text in texts:
        for _ in range(2):
            await allowed(engine, text)
    assert list(engine._slow) == texts[1:]


async def test_a31_the_rounds_of_an_evaluation_share_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = RegorusEngine()
    limits: list[float] = []

    async def answer(request: Request) -> Reply:
        limits.append(request.seconds)
        return Reply(values={ALLOW: 1}, missed=[f"v{len(limits)}"], seconds=0.75)

    monkeypatch.setattr(engine._workers, "ask", answer)
    with pytest.raises(PolicyEvaluationError):
        await allowed(engine, SLOW, values=Values({}))
    assert limits[:4] == [regorus.EVALUATION_SECONDS, 1.25, 0.5, 0.1]


async def test_what_a_policy_prints_in_a_worker_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    engine = RegorusEngine()
    with caplog.at_level(logging.DEBUG, "trustee.policy"):
        await allowed(engine, HEAD + "slow := walk(input)\nallow if print(`hello`)")
    assert [record.msg for record in caplog.records] == ["policy is evaluated in a process of its own", "policy prints"]
    await engine.close()


async def test_an_upload_for_a_worker_is_logged_with_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    engine = RegorusEngine()
    with caplog.at_level(logging.INFO, "trustee.policy"):
        await engine.check(SLOW, [ALLOW])
        await engine.check(HEAD + "allow := true", [ALLOW])
    (record,) = caplog.records
    assert record.msg == "uploaded policy is to be evaluated in a process of its own"
    await engine.close()


async def test_an_upload_touches_no_thread_s_engine(compilations: list[str]) -> None:
    engine = RegorusEngine()
    await engine.check(HEAD + "allow := true", [ALLOW])
    assert compilations == []
    await engine.close()
    with pytest.raises(PolicyEvaluationError) as caught:
        await engine.check(HEAD + "allow := true", [ALLOW])
    assert caught.value.code == "POLICY-PROCESS"


async def test_reference_values_that_are_no_json_are_an_error() -> None:
    engine = RegorusEngine()
    text = HEAD + "slow := walk(input)\nallow := query_reference_value(`v`)"
    with pytest.raises(PolicyEvaluationError) as caught:
        await allowed(engine, text, values=Values({"v": b"x"}))
    assert (caught.value.code, "TypeError" in caught.value.message) == ("POLICY-PROCESS", True)
    assert await allowed(engine, text, values=Values({"v": "x"})) == "x"
    await engine.close()
