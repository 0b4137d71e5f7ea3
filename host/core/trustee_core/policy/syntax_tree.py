"""Paths in the syntax tree of the engine: JSON, each expression an object with one member, named for its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    Node = Mapping[str, Any]


def prefix(refr: Node) -> tuple[str, ...]:
    """Return the names of a path up to what is computed: `a` and `b` of `a.b[x].c`."""
    ((kind, node),) = refr.items()
    if kind == "Var":
        return (node["value"],)
    before = prefix(node["refr"])
    if kind == "RefDot" and literal_path(node["refr"]):
        return (*before, node["field"][1])
    if kind == "RefBrack" and literal_path(refr):
        return (*before, literal_path(refr)[-1])
    return before


def literal_path(node: Node) -> tuple[str, ...]:
    """Return the names of a path such as `a.b["c"]`; nothing if a part of it is computed."""
    ((kind, node),) = node.items()
    if kind == "Var":
        return (node["value"],)
    if kind not in {"RefDot", "RefBrack"}:
        return ()
    before = literal_path(node["refr"])
    if kind == "RefDot":
        return (*before, node["field"][1]) if before else ()
    text = node["index"].get("String") or node["index"].get("RawString")
    return (*before, text["value"]) if before and text else ()
