"""One policy text, compiled by regorus: parsed once, evaluated many times, always on the thread that compiled it.

What the engine does, and what this module makes of it:

    its object belongs to a thread; elsewhere it panics      PolicyEvaluationError (POLICY-PANIC); the caller drops it
    ... and cannot be dropped                                given back to its thread, which drops it later
    a panic is a BaseException                               caught here, narrowly, and nowhere else
    errors end with a stack trace under RUST_BACKTRACE       cut off
    undefined and null look alike as Python objects,         both are asked for: undefined is UNDEFINED,
    undefined and "<undefined>" alike as JSON                null is None
    Python objects as input lose types                       input and data travel as JSON text
    `print` writes to standard error                         kept from there; logged at debug level
    it holds the interpreter's lock, without an end          `steps` bounds what an evaluation may take

Reference values are set anew for each evaluation, input and data where they are not those of the evaluation before: a
guest fetches several resources with one token, many guests the same resource. No rule's value outlives an evaluation.
"""

from __future__ import annotations

import functools
import hashlib
import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec
import regorus
from attestack_common.logs import get_logger

from trustee_core.policy.bounds import bounded_tokens
from trustee_core.policy.contract import UNDEFINED, PolicyError, PolicyEvaluationError, PolicyParseError
from trustee_core.policy.cost import UnboundedError
from trustee_core.policy.estimate import estimate
from trustee_core.policy.guard import MODULE, PRIVATE_NAME, PUBLIC_NAME, examine, is_refused_builtin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from trustee_core.policy.cost import Polynomial

MAX_REFERENCE_VALUES: Final = 4_096
"""How many different reference values one evaluation may ask for."""

_LOG: Final = get_logger("trustee.policy")
_NO_RULE: Final = "not a valid rule path"
_UNDEFINED: Final = '"<undefined>"'
_NOTHING: Final[Mapping[str, Any]] = {}
_MAX_ENGINE_TEXT: Final = 8_192
_MAX_PRINTS: Final = 20
_MAX_PRINT: Final = 1_024


class _Engine(Protocol):
    """The part of `regorus.Engine` that is used here."""

    def add_policy(self, path: str, rego: str) -> object: ...
    def add_extension(self, path: str, nargs: int, extension: Callable[[object], object]) -> None: ...
    def set_input_json(self, input: str) -> None: ...  # noqa: A002  # the engine's name
    def add_data_json(self, data: str) -> None: ...
    def clear_data(self) -> None: ...
    def set_gather_prints(self, b: bool) -> None: ...  # noqa: FBT001  # the engine's signature
    def take_prints(self) -> list[str]: ...
    def eval_rule(self, rule: str) -> object: ...
    def eval_rule_as_json(self, rule: str) -> str: ...
    def get_ast_as_json(self) -> str: ...


@dataclass(slots=True)
class _Lookup:
    """What the policy's calls for reference values are answered from. It does not know the engine: no cycle."""

    known: Mapping[str, Any] = field(default_factory=dict)
    missed: dict[str, None] = field(default_factory=dict)
    refusal: str = ""

    def __call__(self, name: object) -> object:
        if not isinstance(name, str):
            self.refusal = f"{PUBLIC_NAME} takes one string"
        elif name in self.known:
            return self.known[name]
        else:
            self.missed[name] = None
            if len(self.missed) > MAX_REFERENCE_VALUES:
                self.refusal = f"the policy asks for more than {MAX_REFERENCE_VALUES} reference values"
        if self.refusal:
            raise ValueError(self.refusal)
        return None


class Run(msgspec.Struct, frozen=True):
    """What one evaluation gave, and which reference values it asked for and did not find."""

    values: dict[str, Any]
    absent: frozenset[str]
    missed: tuple[str, ...]


class _OfThread(threading.local):
    """Engines of this thread whose policies ended on another one: the collector of garbage runs on any."""

    def __init__(self) -> None:
        self.abandoned: list[_Engine] = []


_OF_THREAD: Final = _OfThread()


class CompiledPolicy:
    """A policy that the engine has parsed, with the guard beside it."""

    def __init__(self, text: str, *, say: Callable[[str], None] | None = None) -> None:
        """Compile. `say` takes what the policy prints (else the log). Raises PolicyParseError, PolicyRefusedError."""
        found = bounded_tokens(text)
        self._say = say
        self._of_thread = _OF_THREAD  # kept, since `__del__` may run when the module is gone
        self._abandoned = _OF_THREAD.abandoned
        self._abandoned.clear()
        self._lookup = _Lookup()
        self._engine = _new_engine(self._lookup)
        self._add("", text)
        facts = examine(found)
        self._add("guard", MODULE)
        self.policy_hash: Final = policy_hash(text)
        """SHA-384 of the text, lower-case hex."""
        self.reference_values: Final = facts.reference_values
        """Ids that the text asks for by literals."""
        self.foreign_calls: Final = facts.foreign_calls
        """Names of the functions that the text calls and does not define."""
        self._input: bytes | None = None
        self._data = b""
        self._absent: frozenset[str] = frozenset()

    def __del__(self) -> None:
        engine = getattr(self, "_engine", None)
        if engine is not None and self._abandoned is not self._of_thread.abandoned:
            self._abandoned.append(engine)

    def _add(self, path: str, text: str) -> None:
        try:
            self._engine.add_policy(path, text)
        except BaseException as error:  # noqa: BLE001  # a panic is one
            raise _meaning(error, PolicyParseError) from None

    def run(self, rules: Sequence[str], input_json: bytes, data_json: bytes, known: Mapping[str, Any]) -> Run:
        """Evaluate rules. `data_json` may be empty, `known` is by reference value id. Raises PolicyEvaluationError."""
        lookup = self._lookup
        lookup.known, lookup.missed, lookup.refusal = known, {}, ""
        try:
            values = self._values(rules, input_json, data_json)
        except PolicyEvaluationError:
            raise
        except BaseException as error:  # noqa: BLE001  # a panic is one; what is none of the engine's is raised again
            self._input = None  # what broke off within `with` may have left another one
            meaning = _meaning(error, PolicyEvaluationError)
            if lookup.refusal:
                raise PolicyEvaluationError(lookup.refusal, code="POLICY-REFERENCE-VALUES") from meaning
            raise meaning from None
        return Run(values, self._absent and self._absent.intersection(rules), tuple(lookup.missed))

    def _values(self, rules: Sequence[str], input_json: bytes, data_json: bytes) -> dict[str, Any]:
        """Evaluate rules; log what they print, whatever becomes of them."""
        try:
            if data_json != self._data:
                self._set_data(data_json)
            if input_json != self._input:
                self._set_input(input_json)
            return {rule: self._value(rule) for rule in rules}
        finally:
            self._lookup.known = _NOTHING
            prints = self._engine.take_prints()
            if prints:
                self._tell(prints[:_MAX_PRINTS])

    def _value(self, rule: str) -> Any:  # noqa: ANN401  # a rule gives any JSON value, or UNDEFINED
        if rule in self._absent:
            return UNDEFINED
        try:
            text = self._engine.eval_rule_as_json(rule)
        except RuntimeError as error:
            if _engine_text(error) != _NO_RULE:
                raise
            self._absent |= {rule}  # the text alone decides which rules there are
            return UNDEFINED
        if text == _UNDEFINED and self._engine.eval_rule(rule) is None:
            return UNDEFINED
        try:
            return msgspec.json.decode(text)
        except (ValueError, RecursionError):
            raise PolicyEvaluationError(f"{rule} of the policy gives a value beyond all bounds") from None

    def _set_input(self, document: bytes) -> None:
        self._input = None
        self._engine.set_input_json(as_text(document))
        self._input = document

    def _set_data(self, data: bytes) -> None:
        self._data = b""
        self._engine.clear_data()
        if data:
            text = as_text(data)
            _require_no_package(text)
            self._engine.add_data_json(text)
        self._data = data

    def steps(self) -> Polynomial:
        """Return what an evaluation of all rules takes at most. Raises UnboundedError."""
        try:
            tree = json.loads(self._engine.get_ast_as_json())[0]
        except (ValueError, RecursionError):
            raise UnboundedError("its expressions are nested too deep") from None
        return estimate(tree)

    def require_known_functions(self) -> None:
        """Raise PolicyEvaluationError (POLICY-FUNCTION) if the text calls a function that does not exist."""
        unknown = min(self.foreign_calls - builtins(), default="")
        if unknown:
            text = f"could not find function {unknown}"
            raise PolicyEvaluationError(f"the policy engine: {text}", code="POLICY-FUNCTION", engine_text=text)

    def _tell(self, prints: Sequence[str]) -> None:
        for line in prints:
            if self._say is None:
                log_print(line[:_MAX_PRINT], self.policy_hash)
            else:
                self._say(line[:_MAX_PRINT])


def policy_hash(text: str) -> str:
    """Return the SHA-384 of a policy's text, lower-case hex."""
    return hashlib.sha384(text.encode()).hexdigest()


def log_print(line: str, policy: str) -> None:
    """Log what a policy prints."""
    _LOG.debug("policy prints", text=line, policy=policy)


@functools.cache
def builtins() -> frozenset[str]:
    """Return the names of the built-in functions that policies may call."""
    engine: _Engine = regorus.Engine()
    engine.add_policy("", "package policy\nnames := opa.runtime().builtins")
    names: list[str] = json.loads(engine.eval_rule_as_json("data.policy.names"))
    allowed = {name for name in names if not is_refused_builtin(name)}
    return frozenset(allowed | {"print", PUBLIC_NAME})


def _new_engine(lookup: _Lookup) -> _Engine:
    engine: _Engine = regorus.Engine()
    engine.set_gather_prints(True)
    engine.add_extension(PRIVATE_NAME, 1, lookup)
    return engine


def _meaning(error: BaseException, kind: type[PolicyError]) -> PolicyError:
    """Return what an exception of the engine means: its errors `kind`, a panic PolicyEvaluationError (POLICY-PANIC).

    Raises any other exception, which is none of the engine's.
    """
    if isinstance(error, RuntimeError):
        text = _engine_text(error)
        return kind(f"the policy engine refuses: {' '.join(text.split())}", engine_text=text)
    if type(error).__name__ == "PanicException":
        return PolicyEvaluationError("the policy engine broke off", code="POLICY-PANIC")
    raise error


def _engine_text(error: RuntimeError) -> str:
    text = str(error).partition("Stack backtrace:")[0]
    return text.removesuffix("\n\n")[:_MAX_ENGINE_TEXT]


def as_text(data: bytes) -> str:
    """Return input or data as text. Raises PolicyEvaluationError (POLICY-INPUT)."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise PolicyEvaluationError("input and data of a policy are JSON in UTF-8", code="POLICY-INPUT") from None


def _require_no_package(data: str) -> None:
    try:
        document = msgspec.json.decode(data)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or "policy" in document:
        raise PolicyEvaluationError("data is a JSON object without `policy`, which is a package", code="POLICY-INPUT")
