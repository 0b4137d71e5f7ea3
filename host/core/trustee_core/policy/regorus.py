"""The policy engine on regorus (the package `gordon-to-regorus`). See `contract` for what it promises.

Evaluation holds the interpreter's lock and cannot be stopped; a hop to another thread or process costs more than most
evaluations. So policies that are known to end soon are evaluated on the calling thread, which keeps the engines that it
compiled (the `max_policies` that it used last), and all others by worker processes with a deadline (`placement` says
which). Uploads are checked by a worker of their own, whatever they are. A policy that was seen to take long, at its
upload or on a thread, goes to the workers from then on.

Reference values are fetched in batches, between evaluations. Before the first one: the ids that stand in the text as
literals, and those that earlier evaluations of the text asked for. Each evaluation then runs to its end with what is
known; what it missed is fetched, and it runs again, until it misses nothing new.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

import msgspec
from attestack_common.deadlines import within
from attestack_common.errors import AttestackError
from attestack_common.logs import get_logger

from trustee_core.policy.compiled import MAX_REFERENCE_VALUES, Run, as_text, log_print, policy_hash
from trustee_core.policy.contract import UNDEFINED, Evaluation, PolicyEvaluationError
from trustee_core.policy.messages import Reply, Request, error_of
from trustee_core.policy.placement import ThreadPolicy, TooLongError
from trustee_core.policy.worker_pool import PoolLimits, WorkerPool

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trustee_core.policy.contract import ReferenceValues

MAX_POLICIES: Final = 64
MAX_ROUNDS: Final = 16
"""How often one evaluation may be run again because it asked for reference values that it had not asked for."""
MAX_LEARNED: Final = 128
"""How many ids beyond its literals are remembered for a policy."""
FETCH_SECONDS: Final = 10.0
"""How long a batch of reference values may take."""
EVALUATION_SECONDS: Final = 2.0
"""How long a worker may take for one evaluation, all its rounds together."""
CHECK_SECONDS: Final = 5.0
"""How long a worker may take to compile an uploaded policy and evaluate it with empty input."""
SLOW_SECONDS: Final = 0.1
"""A policy that was seen to take more of the processor's time is not evaluated on a thread any more."""
EVALUATING: Final = PoolLimits(processes=2, waiting=32, waiting_seconds=4.0, idle_seconds=60.0)
CHECKING: Final = PoolLimits(processes=1, waiting=8, waiting_seconds=20.0, idle_seconds=10.0)

_LEAST_SECONDS: Final = 0.1

_LOG: Final = get_logger("trustee.policy")


class _Known:
    """A policy that a thread has looked at, and the ids that it is known to ask for."""

    def __init__(self, text: str) -> None:
        """Compile what the thread may evaluate. Raises PolicyParseError, PolicyRefusedError."""
        self.text = text
        self.here: ThreadPolicy | None = None
        self.policy_hash = ""
        self.clock = time.perf_counter
        self.wanted: tuple[str, ...] = ()
        """The ids to fetch before the first evaluation."""
        self._literals: Sequence[str] = ()
        self._learned: OrderedDict[str, None] = OrderedDict()
        try:
            self.here = ThreadPolicy(text)
        except TooLongError as error:
            _LOG.info("policy is evaluated in a process of its own", why=str(error), characters=len(text))
        else:
            self._compiled(self.here.policy.policy_hash, self.here.policy.reference_values)

    def learn(self, ids: Sequence[str]) -> None:
        """Remember ids that were asked for, the latest ones."""
        for name in ids[-MAX_LEARNED:]:
            self._learned[name] = None
            self._learned.move_to_end(name)
        while len(self._learned) > MAX_LEARNED:
            self._learned.popitem(last=False)
        self._want()

    def compiled_elsewhere(self, reference_values: Sequence[str]) -> None:
        """Take what a worker found in the text."""
        if not self.policy_hash:
            self._compiled(policy_hash(self.text), reference_values)

    def _compiled(self, digest: str, literals: Sequence[str]) -> None:
        self.policy_hash, self._literals = digest, literals
        self._want()

    def _want(self) -> None:
        self.wanted = tuple(dict.fromkeys((*self._literals, *self._learned)))[:MAX_REFERENCE_VALUES]


class _OfThread(threading.local):
    """The policies that a thread has looked at, the least recently used first."""

    def __init__(self) -> None:
        self.policies: OrderedDict[str, _Known] = OrderedDict()


class _Asked(msgspec.Struct):
    """One evaluation: what is asked for, and how much time it has left in a worker."""

    rules: Sequence[str]
    input_json: bytes
    data_json: bytes
    on_thread: bool
    seconds: float


class RegorusEngine:
    """The policy engine. One object serves all threads; compiled policies are not shared between them."""

    def __init__(self, *, max_policies: int = MAX_POLICIES) -> None:
        self._of_thread = _OfThread()
        self._max_policies = max_policies
        self._slow: OrderedDict[str, None] = OrderedDict()
        self._workers = WorkerPool(EVALUATING)
        self._checkers = WorkerPool(CHECKING)

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
        known_policy = self._known(policy)
        asked = self._asked(known_policy, rules, input_json, data_json or b"")
        known: dict[str, Any] = {}
        missed = known_policy.wanted
        for _ in range(MAX_ROUNDS):
            if missed and reference_values is not None:
                known |= await _fetch(reference_values, missed)
            if asked.on_thread:
                run = self._run_here(known_policy, asked, known)
            else:
                run = await self._run_elsewhere(known_policy, asked, known)
            missed = run.missed
            if not missed or reference_values is None:
                return Evaluation(run.values, run.absent, known_policy.policy_hash)
            known_policy.learn(missed)
            if len(known) + len(missed) > MAX_REFERENCE_VALUES:
                raise _insatiable(f"{MAX_REFERENCE_VALUES} reference values")
        raise _insatiable(f"{MAX_ROUNDS} batches of reference values")

    async def check(self, policy: str, rules: Sequence[str]) -> None:
        """Parse and also evaluate with empty input, as an upload must. Raises PolicyError.

        A function that does not exist is an error even where the evaluation does not get to it (POLICY-FUNCTION).
        All of it happens in a worker: a text that takes too long is refused (POLICY-TIME).
        """
        request = Request(policy=policy, rules=list(rules), check=True, seconds=CHECK_SECONDS)
        reply = await self._checkers.ask(request)
        _told(reply, policy)
        if reply.unbounded:
            _LOG.info(
                "uploaded policy is to be evaluated in a process of its own",
                why=reply.unbounded,
                policy=policy_hash(policy),
            )
        if reply.seconds > SLOW_SECONDS:
            self._mark_slow(policy, reply.seconds)

    async def close(self) -> None:
        """End the worker processes, if there are any."""
        await self._workers.close()
        await self._checkers.close()

    def _known(self, text: str) -> _Known:
        policies = self._of_thread.policies
        known = policies.get(text)
        if known is None:
            known = policies[text] = _Known(text)
            if len(policies) > self._max_policies:
                policies.popitem(last=False)
        else:
            policies.move_to_end(text)
        return known

    def _asked(self, known: _Known, rules: Sequence[str], input_json: bytes, data_json: bytes) -> _Asked:
        here = known.here
        on_thread = here is not None and known.text not in self._slow and here.takes(input_json, data_json)
        return _Asked(rules, input_json, data_json, on_thread, EVALUATION_SECONDS)

    def _run_here(self, known: _Known, asked: _Asked, values: Mapping[str, Any]) -> Run:
        assert known.here is not None  # noqa: S101  # `_asked` has seen to it
        before = known.clock()
        try:
            return known.here.policy.run(asked.rules, asked.input_json, asked.data_json, values)
        except PolicyEvaluationError as error:
            if error.code == "POLICY-PANIC":
                self._of_thread.policies.pop(known.text, None)
            raise
        finally:
            seconds = known.clock() - before
            if seconds > SLOW_SECONDS:
                self._took_long(known, seconds)

    async def _run_elsewhere(self, known: _Known, asked: _Asked, reference_values: Mapping[str, Any]) -> Run:
        request = Request(
            policy=known.text,
            rules=list(asked.rules),
            input=as_text(asked.input_json),
            data=as_text(asked.data_json),
            known=dict(reference_values),
            seconds=asked.seconds,
        )
        reply = await self._workers.ask(request)
        asked.seconds = max(_LEAST_SECONDS, asked.seconds - reply.seconds)
        _told(reply, known.text)
        known.compiled_elsewhere(reply.reference_values)
        values = {rule: reply.values.get(rule, UNDEFINED) for rule in asked.rules}
        return Run(values, frozenset(reply.absent), tuple(reply.missed))

    def _took_long(self, known: _Known, seconds: float) -> None:
        """Look at the processor's time the next time, which is dearer to ask for; then believe it."""
        if known.clock is time.thread_time:
            self._mark_slow(known.text, seconds)
        else:
            known.clock = time.thread_time

    def _mark_slow(self, text: str, seconds: float) -> None:
        """Send a policy to the workers from now on."""
        _LOG.warning(
            "policy took long, and is evaluated in a process of its own from now on",
            policy=policy_hash(text),
            seconds=round(seconds, 3),
        )
        self._slow[text] = None
        if len(self._slow) > self._max_policies:
            self._slow.popitem(last=False)


def _told(reply: Reply, text: str) -> None:
    """Log what the policy printed; raise the error that a reply stands for."""
    for line in reply.prints:
        log_print(line, policy_hash(text))
    if reply.failure is not None:
        raise error_of(reply.failure)


async def _fetch(reference_values: ReferenceValues, ids: Sequence[str]) -> dict[str, Any]:
    """Return the values of all these ids: None, as for the policy, for those that are missing."""
    try:
        found = await within(FETCH_SECONDS, reference_values(ids))
    except TimeoutError:
        message = f"the reference values did not come within {FETCH_SECONDS:g} s"
        raise PolicyEvaluationError(message, code="POLICY-REFERENCE-VALUES") from None
    except AttestackError as error:
        message = f"the reference values cannot be read: {error.message}"
        raise PolicyEvaluationError(message, code="POLICY-REFERENCE-VALUES", advice=error.advice) from error
    return {name: found.get(name) for name in ids}


def _insatiable(what: str) -> PolicyEvaluationError:
    return PolicyEvaluationError(
        f"the policy asks for more than {what}",
        code="POLICY-REFERENCE-VALUES",
        advice="ask for reference values by fixed names",
    )
