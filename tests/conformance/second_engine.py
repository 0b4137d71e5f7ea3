"""The second policy engine (rego-cpp), in a process of its own: `python -m tests.conformance.second_engine`.

It is a process because its library and that of the regular expressions (`re2`) do not get along in one. Each line of
standard input is a query, each line of standard output what came of it: the values of the rules that are defined, or
`{"error": ...}`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Self

from trustee_core.policy.contract import UNDEFINED
from trustee_core.policy.guard import MODULE, PRIVATE_NAME

from tests.house.sources import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GUARD = MODULE.replace(f"{PRIVATE_NAME}(id)", "data.reference_values[id]")
"""The guard's module with reference values as data, since this engine takes no functions from its host."""


class SecondEngine:
    """Asks the process. Use it as a context."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def value(self, policy: str, rule: str, claims: Any, data: Mapping[str, Any]) -> Any:
        """The value of a rule, or UNDEFINED."""
        return self.values(policy, [rule], claims, data)[rule]

    def values(self, policy: str, rules: Sequence[str], claims: Any, data: Mapping[str, Any]) -> dict[str, Any]:
        """The values of rules; UNDEFINED for those that have none."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        query = {"policy": policy, "rules": list(rules), "input": claims, "data": dict(data)}
        self._process.stdin.write(json.dumps(query) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline() or '{"error": "the process ended"}')
        if "error" in answer:
            raise AssertionError(f"the second engine: {answer['error']}")
        return {rule: answer.get(rule, UNDEFINED) for rule in rules}


def _answer(query: Mapping[str, Any]) -> dict[str, Any]:
    import regopy  # type: ignore[import-not-found,import-untyped,unused-ignore]  # noqa: PLC0415  # in this process alone

    interpreter = regopy.Interpreter()
    interpreter.add_module("guard", GUARD)
    interpreter.add_module("policy", query["policy"])
    interpreter.add_data(query["data"])
    interpreter.set_input(query["input"])
    values = {}
    for rule in query["rules"]:
        output = str(interpreter.query(f"value := {rule}"))  # bound to a name: a bare false is told as undefined
        if output != "undefined":
            values[rule] = json.loads(output)["bindings"]["value"]
    return values


def main() -> None:
    for line in sys.stdin:
        try:
            answer = _answer(json.loads(line))
        except Exception as error:  # noqa: BLE001  # whatever it is, the test tells it
            answer = {"error": repr(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
