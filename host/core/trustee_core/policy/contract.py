"""The contract of the policy engine: Rego (v1) text in, JSON out. All use of an engine package is behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from attestack_common.errors import AttestackError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence


class PolicyError(AttestackError):
    """The base of policy errors.

    PolicyError
    ├── PolicyParseError        the text is not a Rego v1 module, or breaks a bound
    ├── PolicyRefusedError      a valid module that defines names which belong to the service
    └── PolicyEvaluationError   the module failed while it was evaluated (unknown function, time limit, ...)

    `engine_text` is the engine's own text, as upstream sends it to administrators; it never holds a stack trace.
    """

    default_code = "POLICY"

    def __init__(self, message: str, *, code: str | None = None, advice: str = "", engine_text: str = "") -> None:
        super().__init__(message, code=code, advice=advice)
        self.engine_text = engine_text


class PolicyParseError(PolicyError):
    """The text is not a Rego v1 module, or breaks a bound (1 MiB, 20,000 lines, 1,024 columns)."""

    default_code = "POLICY-PARSE"


class PolicyRefusedError(PolicyError):
    """A valid module that defines names which belong to the service."""

    default_code = "POLICY-REFUSED"


class PolicyEvaluationError(PolicyError):
    """The module failed while it was evaluated."""

    default_code = "POLICY-EVALUATION"


class Undefined:
    """The value of a rule that is not defined. There is one: `UNDEFINED`."""

    def __repr__(self) -> str:
        return "UNDEFINED"


UNDEFINED = Undefined()


class Evaluation(msgspec.Struct, frozen=True):
    """What one evaluation gave, by rule: JSON values, or UNDEFINED where a rule is absent or undefined."""

    values: Mapping[str, Any]
    absent: frozenset[str]
    """Rules whose path does not exist in the module at all (a subset of the undefined ones)."""
    policy_hash: str
    """SHA-384 of the policy text, lower-case hex."""


if TYPE_CHECKING:
    ReferenceValues = Callable[[Sequence[str]], Awaitable[Mapping[str, Any]]]
    """Fetch reference values by id, in one batch; ids that are missing stay out of the answer."""


class PolicyEngine(Protocol):
    """Evaluates policies: those that end soon on the calling thread, which compiles each text once; others elsewhere.

    What takes too long is ended (POLICY-TIME), what finds no room is refused (POLICY-BUSY).
    """

    async def evaluate(
        self,
        policy: str,
        rules: Sequence[str],
        *,
        input_json: bytes,
        data_json: bytes | None = None,
        reference_values: ReferenceValues | None = None,
    ) -> Evaluation:
        """Evaluate `rules` (paths such as `data.policy.allow`) in one pass. Raises PolicyError."""
        ...

    async def check(self, policy: str, rules: Sequence[str]) -> None:
        """Parse and also evaluate with empty input, as an upload must, where it can be ended. Raises PolicyError."""
        ...

    async def close(self) -> None:
        """End what the engine has started. Safe to call twice."""
        ...
