"""The names that belong to the service, and policies that may not touch them.

`query_reference_value(id)` is defined by `MODULE`, not by the host: the host's function has a private name and answers
null for a missing reference value, which `MODULE` makes undefined, in every policy. So a comparison with a missing
value is undefined too, and the rule's default counts; with null, `1 >= null` would hold. A policy is refused when it

    - uses the private name
    - uses `query_reference_value` for anything but a call: a rule, a default, an alias, a variable, a target of `with`
    - replaces any function by `with` (what is not below `input` or `data`)
    - calls a built-in that upstream's engine does not have, network and process among them
    - has a function that calls itself, also through others: the engine would end the process

What stands in comments and strings is not looked at.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from trustee_core.policy.bounds import CLOSING, KEYWORDS, MAX_LEVELS, OPENING
from trustee_core.policy.contract import PolicyParseError, PolicyRefusedError
from trustee_core.policy.lexer import Kind, Token

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PUBLIC_NAME: Final = "query_reference_value"
PRIVATE_NAME: Final = "__attestack_reference_value"
MODULE: Final = f"""package policy
import rego.v1
{PUBLIC_NAME}(id) := value if {{
    value := {PRIVATE_NAME}(id)
    value != null
}}
"""

_REFUSED_NAMESPACES: Final = frozenset(
    {"base64url", "crypto", "glob", "graph", "hex", "http", "io", "net", "opa", "rand"}
    | {"semver", "urlquery", "uuid", "yaml"}
)
_REFUSED_BUILTINS: Final = frozenset({"json.match_schema", "json.verify_schema"})
_REPLACEABLE: Final = frozenset({"input", "data"})
_NOT_BEFORE_A_CALL: Final = frozenset({".", "as", "default", "every", "import", "package", "some", "with"})
_END: Final = Token(Kind.MARK, "", 0, 0)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a policy was seen to use."""

    reference_values: tuple[str, ...]
    """Ids that stand as literals in calls of `query_reference_value`, in their order, each once."""
    foreign_calls: frozenset[str]
    """Dotted names of the functions that it calls and does not define."""


@dataclass(slots=True)
class _Module:
    """What was read of a policy."""

    aliases: set[str] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)
    calls: list[tuple[str, tuple[str, ...], int]] = field(default_factory=list)
    """Rule that calls, path that is called, line."""
    levels: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    reference_values: dict[str, None] = field(default_factory=dict)

    def defined(self, path: tuple[str, ...]) -> set[str]:
        """The functions of this module that a path may mean."""
        name = ".".join(path)
        if name in self.functions:
            return {name}
        if path[0] == "data" or path[0] in self.aliases:
            return {own for own in self.functions if own.rpartition(".")[2] == path[-1]}
        return set()


def is_refused_builtin(name: str) -> bool:
    """Whether a built-in of the engine is none for policies: upstream's engine does not have it."""
    return name.partition(".")[0] in _REFUSED_NAMESPACES or name in _REFUSED_BUILTINS


def examine(found: Sequence[Token]) -> Facts:
    """Read what a policy uses. The engine has parsed it already.

    Raises:
        PolicyRefusedError: it touches what belongs to the service (POLICY-REFUSED, POLICY-BUILTIN, POLICY-MOCK), or
            a function calls itself (POLICY-RECURSION).
        PolicyParseError: its rules nest too deep (POLICY-BOUNDS).
    """
    module = _read(found)
    foreign = set()
    callees: defaultdict[str, set[str]] = defaultdict(set)
    for caller, path, line in module.calls:
        defined = module.defined(path)
        name = ".".join(path)
        if not defined and is_refused_builtin(name):
            raise PolicyRefusedError(
                f"line {line} of the policy: there is no function {name} here",
                code="POLICY-BUILTIN",
                advice="decide by input, data and reference values alone",
                engine_text=f"could not find function {name}",
            )
        if not defined:
            foreign.add(name)
        callees[caller] |= defined
    _require_no_recursion(callees)
    if sum(module.levels.values()) > MAX_LEVELS:
        raise PolicyParseError("the rules of the policy are too many, or nested too deep", code="POLICY-BOUNDS")
    return Facts(tuple(module.reference_values), frozenset(foreign))


def _read(found: Sequence[Token]) -> _Module:
    module = _Module()
    rule, depth, index = "", 0, 0
    while index < len(found):
        token, before = found[index], found[index - 1] if index else _END
        end = index + 1
        if token.kind is Kind.MARK:
            depth += (token.text in OPENING) - (token.text in CLOSING)
            module.levels[rule] = max(module.levels[rule], depth + 1)
        elif token.kind is Kind.NAME and token.text not in KEYWORDS:
            path, end = _path(found, index)
            is_call = _at(found, end).text == "("
            starts_rule = depth == 0 and _starts_rule(before)
            _require_ours_untouched(found[index:end], before, plain_call=is_call and not starts_rule)
            if starts_rule:
                rule = ".".join(path)
                module.functions |= {rule} if is_call else set()
            elif before.text != ".":
                _use(module, found, (rule, path, token.line), before.text, end)
        index = end
    return module


def _use(
    module: _Module, found: Sequence[Token], call: tuple[str, tuple[str, ...], int], before: str, end: int
) -> None:
    """Take note of what a path inside a rule or an import is used for."""
    _, path, line = call
    if before == "import":
        module.aliases.add(_at(found, end + 1).text if _at(found, end).text == "as" else path[-1])
    elif before == "with" and path[0] not in _REPLACEABLE | module.aliases:
        raise PolicyRefusedError(
            f"line {line} of the policy replaces the function {'.'.join(path)} by `with`",
            code="POLICY-MOCK",
            advice="`with` may set only what is below `input` and `data`",
        )
    elif _at(found, end).text == "(":
        module.calls.append(call)
        argument = _at(found, end + 1)
        if path == (PUBLIC_NAME,) and argument.kind is Kind.STRING and _at(found, end + 2).text == ")":
            module.reference_values[argument.string] = None


def _path(found: Sequence[Token], start: int) -> tuple[tuple[str, ...], int]:
    """Read `a.b["c"].d` from its first name: its parts, and the index of the token behind it."""
    parts, index = [found[start].text], start + 1
    while True:
        mark, name, close = (_at(found, index + ahead) for ahead in range(3))
        if mark.text == "." and name.kind is Kind.NAME:
            parts.append(name.text)
            index += 2
        elif mark.text == "[" and name.kind is Kind.STRING and close.text == "]":
            parts.append(name.string)
            index += 3
        else:
            return tuple(parts), index


def _at(found: Sequence[Token], index: int) -> Token:
    return found[index] if index < len(found) else _END


def _starts_rule(before: Token) -> bool:
    """Whether a name outside brackets starts a rule: what stands before it is complete, or is `default`."""
    if before.kind is Kind.MARK:
        return before is _END or before.text in CLOSING
    return before.kind is not Kind.NAME or before.text not in KEYWORDS or before.text == "default"


def _require_ours_untouched(path: Sequence[Token], before: Token, *, plain_call: bool) -> None:
    names = [token for token in path if token.kind is Kind.NAME]
    allowed = plain_call and len(path) == 1 and before.text not in _NOT_BEFORE_A_CALL
    for token in names:
        if token.text == PRIVATE_NAME or (token.text == PUBLIC_NAME and not allowed):
            raise PolicyRefusedError(
                f"line {token.line} of the policy: the name {token.text} belongs to the service",
                advice=f"call {PUBLIC_NAME}(id), and use another name for everything else",
            )


def _require_no_recursion(callees: Mapping[str, set[str]]) -> None:
    done: set[str] = set()
    for start in list(callees):
        path: dict[str, list[str]] = {start: list(callees[start])}
        while path and start not in done:
            name = next(reversed(path))
            callee = path[name].pop() if path[name] else None
            if callee is None:
                done.add(name)
                del path[name]
            elif callee in path:
                raise PolicyRefusedError(
                    f"the function {callee} of the policy calls itself",
                    code="POLICY-RECURSION",
                    advice="Rego has no recursion: use a comprehension or `walk`",
                )
            elif callee not in done:
                path[callee] = list(callees.get(callee, ()))
