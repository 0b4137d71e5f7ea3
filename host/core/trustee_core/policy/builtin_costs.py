"""What the engine's built-in functions cost, and how large what they give may be.

    constant   looks at nothing large, gives something small
    picking    looks at nothing large, gives a part of what it is given
    scanning   looks at all it is given, gives something small
    copying    looks at all it is given, gives no more than that
    cutting    gives elements where there was text: up to one for each byte
    squaring   looks at all it is given once for each part of it, gives no more than that
    composing  see the functions

What is not here (`walk`, `numbers.range` of what a guest sends, `bits.lsh`, patterns and formats that a guest sends)
has no bound that is known.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from trustee_core.policy.cost import BYTES_PER_SIZE, ONE, Scope, UnboundedError, Value, constant, together

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from trustee_core.policy.syntax_tree import Node

    Composing = Callable[[Sequence[Node], Sequence[Value], Scope], Value]

CALL: Final = 4
"""Steps of a call, whatever is called."""

_CONSTANT: Final = frozenset(
    {"abs", "ceil", "floor", "round", "type_name"}
    | {"is_array", "is_boolean", "is_null", "is_number", "is_object", "is_set", "is_string"}
    | {"time.add_date", "time.clock", "time.date", "time.diff", "time.now_ns", "time.weekday"}
)
_PICKING: Final = frozenset({"object.get"})
_SCANNING: Final = frozenset(
    {"base64.is_valid", "contains", "count", "endswith", "indexof", "json.is_valid", "startswith", "to_number"}
    | {"time.parse_duration_ns", "time.parse_rfc3339_ns"}
)
_COPYING: Final = frozenset(
    {"array.concat", "array.reverse", "array.slice", "max", "min", "sort", "sum"}
    | {"object.filter", "object.keys", "object.remove", "object.union"}
    | {"bits.and", "bits.negate", "bits.or", "bits.rsh", "bits.xor", "format_int"}
    | {"base64.decode", "base64.encode", "json.marshal", "lower", "strings.reverse", "substring", "upper"}
    | {"trim_prefix", "trim_space", "trim_suffix"}
)
_CUTTING: Final = frozenset({"json.unmarshal", "split"})
_SQUARING: Final = frozenset({"intersection", "object.union_n", "product", "union", "units.parse", "units.parse_bytes"})
_COPY_GROWTH: Final = constant(8)
"""How much larger a copy may be: escapes, digits, a base of 64."""
_TEXT: Final = constant(2)
"""Steps that it takes to look at the text of one size."""
_CHARACTERS: Final = constant(5)
"""Steps that it takes to look for each character of one size among those of another."""
_WIDE: Final = re.compile(r"[0-9]{3}")
_TEXTS: Final = frozenset({"RawString", "String"})
_PATTERN: Final = 50
_PRINT: Final = 25
_MAX_RANGE: Final = 10_000


def require_bound(name: str) -> None:
    """Raise UnboundedError if there is no bound for a built-in function."""
    if name not in _COMPOSING and name not in _CONSTANT | _PICKING | _SCANNING | _COPYING | _CUTTING | _SQUARING:
        raise UnboundedError(f"there is no bound for {name}")


def call_builtin(name: str, nodes: Sequence[Node], arguments: Sequence[Value], scope: Scope) -> Value:
    """Count a call; return what is known of its value. Raises UnboundedError."""
    require_bound(name)
    composing = _COMPOSING.get(name)
    if composing is not None:
        return composing(nodes, arguments, scope)
    if name in _CONSTANT:
        return Value.scalar()
    given = together(arguments)
    if name in _PICKING:
        return given.inside()
    scope.scan(given.grown(_TEXT))
    if name in _SCANNING:
        return Value.scalar()
    if name in _SQUARING:
        scope.take(given.size * (given.size if given.items is None else constant(given.items)))
        return given.inside()
    if name in _COPYING:
        return given.grown(_COPY_GROWTH)
    elements = given.grown(constant(BYTES_PER_SIZE))
    scope.scan(elements)
    return elements


def _concat(_nodes: Sequence[Node], arguments: Sequence[Value], scope: Scope) -> Value:
    separator, _ = arguments
    if not separator.size.is_constant:
        raise UnboundedError("concat puts together with what a guest sends")
    joined = together(arguments).grown(separator.size + ONE)
    scope.scan(joined)
    return joined


def _replace(nodes: Sequence[Node], arguments: Sequence[Value], scope: Scope) -> Value:
    ((kind, node),) = nodes[2].items()
    if kind not in _TEXTS:
        raise UnboundedError("replace puts in what is computed")
    replaced = arguments[0].grown(constant(1 + len(node["value"])))
    scope.scan(replaced)
    return replaced


def _trim(_nodes: Sequence[Node], arguments: Sequence[Value], scope: Scope) -> Value:
    """Each character is looked for among those to be cut off."""
    text, characters = arguments
    if characters.size.is_constant:
        scope.scan(text.grown(_TEXT * characters.size))
    else:
        scope.take(_CHARACTERS * text.size * characters.size)
    return text


def _sprintf(nodes: Sequence[Node], arguments: Sequence[Value], scope: Scope) -> Value:
    """Each verb of the format takes one argument; a width could make text of nothing."""
    ((kind, node),) = nodes[0].items()
    if kind not in _TEXTS or _WIDE.search(node["value"]):
        raise UnboundedError("sprintf has a format that is computed, or wide")
    return call_builtin("json.marshal", nodes, arguments, scope)


def _regex(_nodes: Sequence[Node], arguments: Sequence[Value], scope: Scope) -> Value:
    """The engine's expressions take time linear in the text; it compiles each once, within a bound of its own."""
    pattern, *_ = arguments
    if not pattern.size.is_constant:
        raise UnboundedError("a regular expression is what a guest sends")
    scope.take(_PATTERN)
    scope.scan(together(arguments).grown(_TEXT))
    return Value.scalar()


def _print(_nodes: Sequence[Node], arguments: Sequence[Value], scope: Scope) -> Value:
    scope.take(_PRINT)
    scope.scan(together(arguments))
    return Value.scalar()


def _range(nodes: Sequence[Node], _arguments: Sequence[Value], scope: Scope) -> Value:
    ends = [node.get("Number", {}).get("value") for node in nodes]
    if len(ends) != 2 or not all(isinstance(end, int) for end in ends):  # noqa: PLR2004  # it has two ends
        raise UnboundedError("numbers.range has ends that are computed")
    size = abs(ends[1] - ends[0]) + 1
    if size > _MAX_RANGE:
        raise UnboundedError("numbers.range is long")
    scope.take(size)
    return Value(constant(size))


_COMPOSING: Final[Mapping[str, Composing]] = {
    "concat": _concat,
    "numbers.range": _range,
    "print": _print,
    "regex.is_valid": _regex,
    "regex.match": _regex,
    "replace": _replace,
    "sprintf": _sprintf,
    **dict.fromkeys(("trim", "trim_left", "trim_right"), _trim),
}
