"""Policy evaluation: warm, as the services evaluate, beside compiling and evaluating anew, as upstream does.

The reference is the bare engine: no analysis by the guard, no batch of reference values to await. Ours is the whole
way. No input is that of the evaluation before, which ours would not read again. Both are timed in batches, so that
starting the event loop does not count. RUST_BACKTRACE is taken out of the
environment first: with it the engine compiles slower, services should not run so, and the ratio would look better.

The way over a worker process, for policies and inputs whose evaluation has no small bound, is shown beside: no ratio is
claimed, but what a policy pays for it is to be seen. So is what placing a text costs, once for each text and thread.
"""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass, replace
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import attestation_service
import key_broker_service
import regorus
from attestation_service.appraisal import RULES
from trustee_core.policy.guard import MODULE, PRIVATE_NAME
from trustee_core.policy.placement import ThreadPolicy
from trustee_core.policy.regorus import RegorusEngine

from tests.bench.measure import Ratio, alternate, duration, table
from tests.unit.attestation_service.test_default_policies import sample, snp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType

LIMIT: Final = 0.25
UNBOUNDED: Final = "\nunbounded := walk(input)\n"
BATCH: Final = 20


@dataclass(frozen=True, slots=True)
class Case:
    """One policy with what it is given."""

    what: str
    text: str
    rules: Sequence[str]
    claims: str
    data: str
    values: Mapping[str, Any]

    async def reference_values(self, ids: Sequence[str]) -> Mapping[str, Any]:
        return {name: self.values[name] for name in ids if name in self.values}

    def in_a_worker(self) -> Case:
        """The same with a text that no thread evaluates."""
        return replace(self, text=self.text + UNBOUNDED)

    async def warm(self, engine: RegorusEngine) -> None:
        for turn in range(BATCH):
            await engine.evaluate(
                self.text,
                self.rules,
                input_json=self.claims.encode() + b" " * (turn % 2),
                data_json=self.data.encode(),
                reference_values=self.reference_values,
            )

    def anew(self) -> None:
        for _ in range(BATCH):
            engine = regorus.Engine()
            engine.add_extension(PRIVATE_NAME, 1, self.values.get)
            engine.add_policy("", self.text)
            engine.add_policy("guard", MODULE)
            engine.add_data_json(self.data)
            engine.set_input_json(self.claims)
            for rule in self.rules:
                json.loads(engine.eval_rule_as_json(rule))


def cases() -> list[Case]:
    cpu = policy(attestation_service, "default_cpu")
    resource = policy(key_broker_service, "default")
    token = {"submods": {"cpu0": {"ear.status": "affirming"}}}
    data = {"plugin": "resource", "resource-path": ["default", "key", "1"], "query": {}}
    return [
        *(
            Case(f"default CPU policy, {name} evidence", cpu, RULES, json.dumps(claims), "{}", values)
            for name, (claims, values) in (("sample", sample()), ("snp", snp()))
        ),
        Case("default resource policy", resource, ["data.policy.allow"], json.dumps(token), json.dumps(data), {}),
    ]


def policy(package: ModuleType, name: str) -> str:
    return resources.files(package).joinpath("policies", f"{name}.rego").read_text(encoding="utf-8")


def main(seconds: float) -> list[Ratio]:
    os.environ.pop("RUST_BACKTRACE", None)
    engine, ratios = RegorusEngine(), []
    with asyncio.Runner() as runner:
        for case in cases():
            ours, reference = alternate(
                lambda case=case: runner.run(case.warm(engine)),  # type: ignore[misc]  # a default binds the loop's value
                case.anew,
                seconds=seconds,
            )
            elsewhere = case.in_a_worker()
            (worker,) = alternate(lambda: runner.run(elsewhere.warm(engine)), seconds=seconds / 2)  # noqa: B023  # called here
            (placing,) = alternate(lambda: ThreadPolicy(case.text), seconds=seconds / 4)  # noqa: B023  # called here
            rows = [
                ("warm", ours.median / BATCH),
                ("warm, in a worker process", worker.median / BATCH),
                ("compile and evaluate", reference.median / BATCH),
                ("compile, guard and bound, once", placing.median),
            ]
            table(case.what, [(name, f"p50 {duration(median)}") for name, median in rows])
            ratios.append(Ratio.at_most(f"{case.what}: warm / anew", ours.median / reference.median, LIMIT))
        runner.run(engine.close())
    return ratios
