"""The policy engine on regorus (the package `gordon-to-regorus`). See `contract` for what it promises.

Evaluation holds the interpreter's lock, so another thread would not run it beside anything, and a hop to it costs more
than most evaluations: policies are evaluated on the calling thread, which keeps the engines that it compiled. Each
thread keeps the `max_policies` that it used last.

Reference values are fetched in batches, between evaluations. Before the first one: the ids that stand in the text as
literals, and those that earlier evaluations of the text asked for. Each evaluation then runs to its end with what is
known; what it missed is fetched, and it runs again, until it misses nothing new.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from attestack_common.errors import AttestackError

from trustee_core.policy.compiled import MAX_REFERENCE_VALUES, CompiledPolicy, Run, builtins
from trustee_core.policy.contract import Evaluation, PolicyEvaluationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trustee_core.policy.contract import ReferenceValues

MAX_POLICIES: Final = 64
MAX_ROUNDS: Final = 16
"""How often one evaluation may be run again because it asked for reference values that it had not asked for."""
MAX_LEARNED: Final = 128
"""How many ids beyond its literals are remembered for a policy."""
FETCH_SECONDS: Final = 10.0
"""How long a batch of reference values may take."""

_known_builtins = functools.cache(builtins)


class _Cached:
    """A compiled policy, and the ids that it is known to ask for."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.policy = CompiledPolicy(text)
        self._learned: OrderedDict[str, None] = OrderedDict()

    def wanted(self) -> tuple[str, ...]:
        """The ids to fetch before the first evaluation."""
        return tuple(dict.fromkeys((*self.policy.reference_values, *self._learned)))[:MAX_REFERENCE_VALUES]

    def learn(self, ids: Sequence[str]) -> None:
        """Remember ids that were asked for, the latest ones."""
        for name in ids[-MAX_LEARNED:]:
            self._learned[name] = None
            self._learned.move_to_end(name)
        while len(self._learned) > MAX_LEARNED:
            self._learned.popitem(last=False)


class _OfThread(threading.local):
    """The policies that a thread has compiled, the least recently used first."""

    def __init__(self) -> None:
        self.policies: OrderedDict[str, _Cached] = OrderedDict()


class RegorusEngine:
    """The policy engine. One object serves all threads; nothing is shared between them."""

    def __init__(self, *, max_policies: int = MAX_POLICIES) -> None:
        self._of_thread = _OfThread()
        self._max_policies = max_policies

    async def evaluate(
        self,
        policy: str,
        rules: Sequence[str],
        *,
        input_json: bytes,
        data_json: bytes | None = None,
        reference_values: ReferenceValues | None = None,
    ) -> Evaluation:
        """Evaluate `rules` in one pass. Raises PolicyError."""
        cached = self._cached(policy)
        known: dict[str, Any] = {}
        asked: set[str] = set()
        missed = cached.wanted()
        for _ in range(MAX_ROUNDS):
            if missed and reference_values is not None:
                known |= await _fetch(reference_values, missed)
                asked.update(missed)
            run = self._run(cached, rules, input_json, data_json or b"", known)
            missed = tuple(name for name in run.missed if name not in asked)
            if not missed or reference_values is None:
                return Evaluation(run.values, run.absent, cached.policy.policy_hash)
            cached.learn(missed)
            if len(asked) + len(missed) > MAX_REFERENCE_VALUES:
                raise _insatiable(f"{MAX_REFERENCE_VALUES} reference values")
        raise _insatiable(f"{MAX_ROUNDS} batches of reference values")

    async def check(self, policy: str, rules: Sequence[str]) -> None:
        """Parse and also evaluate with empty input, as an upload must. Raises PolicyError.

        A function that does not exist is an error even where the evaluation does not get to it (POLICY-FUNCTION).
        """
        cached = self._cached(policy)
        unknown = min(cached.policy.foreign_calls - _known_builtins(), default="")
        if unknown:
            text = f"could not find function {unknown}"
            raise PolicyEvaluationError(f"the policy engine: {text}", code="POLICY-FUNCTION", engine_text=text)
        self._run(cached, rules, b"{}", b"", {})

    def _cached(self, text: str) -> _Cached:
        policies = self._of_thread.policies
        cached = policies.get(text)
        if cached is None:
            cached = policies[text] = _Cached(text)
            if len(policies) > self._max_policies:
                policies.popitem(last=False)
        else:
            policies.move_to_end(text)
        return cached

    def _run(
        self, cached: _Cached, rules: Sequence[str], input_json: bytes, data_json: bytes, known: dict[str, Any]
    ) -> Run:
        try:
            return cached.policy.run(rules, input_json, data_json, known)
        except PolicyEvaluationError as error:
            if error.code == "POLICY-PANIC":
                self._of_thread.policies.pop(cached.text, None)
            raise


async def _fetch(reference_values: ReferenceValues, ids: Sequence[str]) -> dict[str, Any]:
    try:
        async with asyncio.timeout(FETCH_SECONDS):
            found = await reference_values(ids)
    except TimeoutError:
        message = f"the reference values did not come within {FETCH_SECONDS:g} s"
        raise PolicyEvaluationError(message, code="POLICY-REFERENCE-VALUES") from None
    except AttestackError as error:
        message = f"the reference values cannot be read: {error.message}"
        raise PolicyEvaluationError(message, code="POLICY-REFERENCE-VALUES", advice=error.advice) from error
    return {name: found[name] for name in ids if name in found}


def _insatiable(what: str) -> PolicyEvaluationError:
    return PolicyEvaluationError(
        f"the policy asks for more than {what}",
        code="POLICY-REFERENCE-VALUES",
        advice="ask for reference values by fixed names",
    )
