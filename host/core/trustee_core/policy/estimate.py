"""Reads from a policy's syntax tree, as the engine gives it, what an evaluation costs at most.

The estimate errs upwards. Where no bound is known (`walk`, `with`, ranges that a guest may choose, a construct that
this module has not met) it raises UnboundedError, and the policy is evaluated where it can be ended.

    rules                  each is evaluated once, whoever asks for it
    functions              anew for each call: their bodies count in the place of the call
    `x[i]`                 a loop if `i` has no value yet
    comprehensions, `not`  loops of their own, inside those around them
    reference values       are the operator's, not a guest's: of a fixed size
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from trustee_core.policy.builtin_costs import CALL, call_builtin, require_bound
from trustee_core.policy.cost import (
    BYTES_PER_SIZE,
    WHOLE,
    ZERO,
    Polynomial,
    Scope,
    UnboundedError,
    Value,
    constant,
    together,
)
from trustee_core.policy.guard import PUBLIC_NAME
from trustee_core.policy.syntax_tree import literal_path, prefix

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from trustee_core.policy.syntax_tree import Node

MAX_VISITS: Final = 20_000
"""How many expressions are looked at, with functions counted for each call."""
REFERENCE_VALUE: Final = constant(16)

_COLLECT: Final = 5
_COLLECT_BY_RULE: Final = 40
_LOOKUP: Final = 4
_CLAUSE: Final = 6
_INPUT_STEPS: Final = Polynomial((50.0, 5.0))
"""What reading the input costs."""
_RESULT_STEPS: Final = constant(2)
"""What telling an element of a result costs."""


def estimate(tree: Node) -> Polynomial:
    """Return the steps of an evaluation of all rules, by the size of input and data together. Raises UnboundedError."""
    try:
        return _Estimate(tree).steps()
    except RecursionError:
        raise UnboundedError("its rules are nested too deep") from None
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        raise UnboundedError("its syntax tree has a form that is not known") from None


class _Estimate:
    def __init__(self, tree: Node) -> None:
        self._source = tree["source"]["contents"].encode()
        module = tree["ast"]
        self._package = literal_path(module["package"]["refr"])
        self._aliases = dict(self._import(node) for node in module["imports"])
        self._functions: dict[str, list[Node]] = {}
        self._rules: dict[str, list[Node]] = {}
        for rule in module["rules"]:
            self._define(rule)
        self._values: dict[str, Value | None] = {}
        self._steps = ZERO
        self._visits = 0
        self._expressions: Mapping[str, Callable[[Node, Scope], Value]] = {
            **dict.fromkeys(("Bool", "Null", "Number", "RawString", "String"), self._scalar),
            **dict.fromkeys(("ArrayCompr", "ObjectCompr", "SetCompr"), self._comprehension),
            "ArithExpr": self._arithmetic,
            "Array": self._array,
            "AssignExpr": self._assignment,
            "BinExpr": self._set_operation,
            "BoolExpr": self._comparison,
            "Call": self._call,
            "Membership": self._membership,
            "Object": self._object,
            "RefBrack": self._bracket,
            "RefDot": self._dot,
            "Set": self._set,
            "UnaryExpr": self._unary,
            "Var": self._variable,
        }

    def steps(self) -> Polynomial:
        results = ZERO
        for name in self._rules:
            results += self._rule(name).size * _RESULT_STEPS
        return self._steps + results + _INPUT_STEPS

    # --- names ------------------------------------------------------------------------------------------------------

    def _text(self, span: Node) -> str:
        return str(self._source[span["start"] : span["end"]], "utf-8")

    def _import(self, node: Node) -> tuple[str, tuple[str, ...]]:
        path = literal_path(node["refr"])
        return (self._text(node["as"]) if node.get("as") else path[-1]), path

    def _define(self, rule: Node) -> None:
        ((kind, node),) = rule.items()
        if kind == "Default":
            table, refr = (self._functions if node["args"] else self._rules), node["refr"]
        else:
            ((head_kind, head),) = node["head"].items()
            table, refr = (self._functions if head_kind == "Func" else self._rules), head["refr"]
        path = prefix(refr)
        table.setdefault(".".join(path) if table is self._functions else path[0], []).append(rule)

    def _resolved(self, path: tuple[str, ...], scope: Scope) -> tuple[str, ...]:
        """Write an alias out; empty if the path starts with a variable."""
        if not path or scope.lookup(path[0])[0]:
            return ()
        return (*self._aliases[path[0]], *path[1:]) if path[0] in self._aliases else path

    def _global(self, node: Node, scope: Scope) -> Value | None:
        """Return the value of a path that starts with no variable."""
        path = self._resolved(literal_path(node), scope)
        if not path:
            return None
        if path[0] == "data":
            if path[: len(self._package) + 1] != ("data", *self._package):
                if path == ("data",) or path[1] == self._package[0]:
                    raise UnboundedError("it reads all of `data`, with what is computed there")
                return Value(WHOLE)
            path = path[len(self._package) + 1 :] or ("",)
            if path[0] not in self._rules:
                raise UnboundedError("it reads a whole package")
        if path[0] == "input":
            return Value(WHOLE)
        if path[0] not in self._rules:
            return None
        value = self._rule(path[0])
        return value if len(path) == 1 else value.inside()

    # --- rules and functions ----------------------------------------------------------------------------------------

    def _rule(self, name: str) -> Value:
        """Return the value of a rule; its steps are counted once."""
        if name in self._values:
            value = self._values[name]
            if value is None:
                raise UnboundedError("a rule uses itself")
            return value
        self._values[name] = None
        values = []
        for rule in self._rules[name]:
            scope = Scope()
            values.append(self._definition(rule, scope))
            scope.end()
            self._steps += scope.total
        self._values[name] = value = together(values).without_part()
        return value

    def _definition(self, rule: Node, scope: Scope, arguments: list[Value] | None = None) -> Value:
        """Count a definition inside a scope; return its value."""
        ((kind, node),) = rule.items()
        if kind == "Default":
            return self._value(node["value"], scope)
        ((head_kind, head),) = node["head"].items()
        values = []
        for body in node["bodies"] or [None]:
            inner = scope.inner(sees_outer=False)
            inner.take(_CLAUSE)
            for pattern, argument in zip(head.get("args", ()), arguments or (), strict=True):
                self._bind(pattern, argument, inner)
            if body is not None:
                self._query(body["query"], inner)
            assigned = (body or {}).get("assign") or head.get("assign")
            terms = [self._value(assigned["value"], inner)] if assigned else []
            terms += [self._value(head["key"], inner)] if head_kind == "Set" else []
            value = together([*terms, *self._keys(head["refr"], inner)])
            grows = head_kind == "Set" or literal_path(head["refr"]) == ()
            if grows:
                inner.take(_COLLECT_BY_RULE)
                inner.scan(value)
                value = inner.collected(value)
            inner.end()
            values.append(value if value.part_of is None or not inner.made(value.part_of) else value.without_part())
        return together(values)

    def _keys(self, refr: Node, scope: Scope) -> list[Value]:
        """Return the values of what stands in brackets in the head of a rule."""
        ((kind, node),) = refr.items()
        if kind == "Var":
            return []
        own = [self._value(node["index"], scope)] if kind == "RefBrack" else []
        return self._keys(node["refr"], scope) + own

    def _call(self, node: Node, scope: Scope) -> Value:
        path = self._resolved(literal_path(node["fcn"]), scope)
        if path[: len(self._package) + 1] == ("data", *self._package):
            path = path[len(self._package) + 1 :]
        name = ".".join(path)
        if name != PUBLIC_NAME and name not in self._functions:
            require_bound(name)
        arguments = [self._value(argument, scope) for argument in node["params"]]
        scope.take(CALL)
        if name == PUBLIC_NAME:
            scope.take(REFERENCE_VALUE)
            return Value(REFERENCE_VALUE)
        if name not in self._functions:
            return call_builtin(name, node["params"], arguments, scope)
        return together([self._definition(rule, scope, arguments) for rule in self._functions[name]])

    # --- bodies -----------------------------------------------------------------------------------------------------

    def _query(self, query: Node, scope: Scope) -> None:
        for statement in query["stmts"]:
            if statement.get("with_mods"):
                raise UnboundedError("it uses `with`, which evaluates rules anew")
            scope.take(1)
            ((kind, node),) = statement["literal"].items()
            if kind == "Expr":
                self._value(node["expr"], scope)
            elif kind == "NotExpr":
                inner = scope.inner()
                self._value(node["expr"], inner)
                inner.end()
            elif kind == "SomeVars":
                scope.names.update(dict.fromkeys(map(self._text, node["vars"])))
            elif kind == "SomeIn":
                collection = self._value(node["collection"], scope)
                scope.complete()
                element = scope.walk(collection)
                for pattern in (node["key"], node["value"]):
                    if pattern is not None:
                        self._bind(pattern, element, scope)
            elif kind == "Every":
                self._every(node, scope)
            else:
                raise UnboundedError(f"{kind} is not known")
            scope.complete()

    def _every(self, node: Node, scope: Scope) -> None:
        domain = self._value(node["domain"], scope)
        inner = scope.inner()
        element = inner.walk(domain)
        for span in (node["key"], node["value"]):
            if span is not None:
                inner.names[self._text(span)] = element
        self._query(node["query"], inner)
        inner.end()

    def _bind(self, pattern: Node, value: Value, scope: Scope) -> None:
        """Give the variables of a pattern parts of a value."""
        ((kind, node),) = pattern.items()
        if kind == "Var":
            if node["value"] != "_":
                scope.names[node["value"]] = value
        elif kind == "Array":
            for item in node["items"]:
                self._bind(item, value.inside(), scope)
        elif kind == "Object":
            for _, key, item in node["fields"]:
                self._compare(self._value(key, scope), value, scope)
                self._bind(item, value.inside(), scope)
        else:
            self._compare(self._value(pattern, scope), value, scope)

    def _compare(self, one: Value, other: Value, scope: Scope) -> None:
        """Two values are compared until they differ: the smaller one counts."""
        scope.take(1)
        scope.scan(min(one, other, key=lambda value: scope.scanning(value).growth))

    # --- expressions ------------------------------------------------------------------------------------------------

    def _value(self, expression: Node, scope: Scope) -> Value:
        """Count an expression; return what is known of its value."""
        self._visits += 1
        if self._visits > MAX_VISITS:
            raise UnboundedError("its functions call each other too often")
        scope.take(1)
        ((kind, node),) = expression.items()
        if kind not in self._expressions:
            raise UnboundedError(f"{kind} is not known")
        return self._expressions[kind](node, scope)

    def _scalar(self, node: Node, _scope: Scope) -> Value:
        text = node["value"]
        return Value(constant(1 + len(text) // BYTES_PER_SIZE)) if isinstance(text, str) else Value.scalar()

    def _variable(self, node: Node, scope: Scope) -> Value:
        known, value = scope.lookup(node["value"])
        if not known:
            value = self._global({"Var": node}, scope)
        if value is None:
            raise UnboundedError(f"{node['value']} has no value where it stands")
        return value

    def _dot(self, node: Node, scope: Scope) -> Value:
        value = self._global({"RefDot": node}, scope)
        return self._value(node["refr"], scope).inside() if value is None else value

    def _bracket(self, node: Node, scope: Scope) -> Value:
        value = self._global({"RefBrack": node}, scope)
        if value is not None:
            return value
        value = self._value(node["refr"], scope)
        name = node["index"].get("Var", {}).get("value")
        if name is not None and self._is_free(name, scope):
            element = scope.walk(value)
            self._bind(node["index"], element, scope)
            return element
        scope.take(_LOOKUP)
        scope.scan(self._value(node["index"], scope))
        return value.inside()

    def _is_free(self, name: str, scope: Scope) -> bool:
        known, value = scope.lookup(name)
        is_global = name in self._rules or name in self._aliases or name in {"input", "data"}
        return value is None if known else not is_global

    def _array(self, node: Node, scope: Scope) -> Value:
        value = together([self._value(item, scope) for item in node["items"]])
        return replace(value, items=len(node["items"]))

    def _set(self, node: Node, scope: Scope) -> Value:
        value = self._array(node, scope)
        scope.scan(value)
        return value

    def _object(self, node: Node, scope: Scope) -> Value:
        value = together([self._value(item, scope) for _, *pair in node["fields"] for item in pair])
        scope.scan(value)
        return replace(value, items=len(node["fields"]))

    def _comprehension(self, node: Node, scope: Scope) -> Value:
        inner = scope.inner()
        self._query(node["query"], inner)
        terms = [self._value(node[name], inner) for name in ("key", "value", "term") if name in node]
        term = together(terms)
        inner.take(_COLLECT)
        inner.scan(term)
        inner.end()
        return inner.collected(term)

    def _membership(self, node: Node, scope: Scope) -> Value:
        for name in ("key", "value"):
            if node[name] is not None:
                self._value(node[name], scope)
        scope.scan(self._value(node["collection"], scope))
        return Value.scalar()

    def _set_operation(self, node: Node, scope: Scope) -> Value:
        value = together([self._value(node["lhs"], scope), self._value(node["rhs"], scope)])
        scope.scan(value)
        return value

    def _comparison(self, node: Node, scope: Scope) -> Value:
        self._compare(self._value(node["lhs"], scope), self._value(node["rhs"], scope), scope)
        return Value.scalar()

    def _arithmetic(self, node: Node, scope: Scope) -> Value:
        left, right = (self._value(node[side], scope) for side in ("lhs", "rhs"))
        scope.scan(together([left, right]))
        if node["op"] not in {"Add", "Sub"}:
            scope.take(left.size * right.size)
        return together([left, right])

    def _assignment(self, node: Node, scope: Scope) -> Value:
        left, right = node["lhs"], node["rhs"]
        if node["op"] != "ColEq" and not self._has_free(left, scope):
            left, right = right, left
            if not self._has_free(left, scope):
                return self._comparison(node, scope)
        self._bind(left, self._value(right, scope), scope)
        return Value.scalar()

    def _has_free(self, pattern: Node, scope: Scope) -> bool:
        ((kind, node),) = pattern.items()
        if kind == "Var":
            return self._is_free(node["value"], scope)
        if kind == "Array":
            return any(self._has_free(item, scope) for item in node["items"])
        return kind == "Object" and any(self._has_free(item, scope) for _, _, item in node["fields"])

    def _unary(self, node: Node, scope: Scope) -> Value:
        return self._value(node["expr"], scope)
