"""docs/errors.md: every stable code, where it is raised, what it says and what to do, collected from the sources.

A code is written in one of four places, and nowhere else: as `default_code` of an error class, as the argument `code=`
of a call, as the first argument of `Check(...)`, or as the second of `wire_text(...)`.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.house.sources import ROOT, import_name, modules, tree

if TYPE_CHECKING:
    from collections.abc import Iterator

TARGET: Final = ROOT / "docs" / "errors.md"
_CODE: Final = re.compile(r"[A-Z][A-Z0-9]*(-[A-Z0-9<>_]+)*")
_HEAD: Final = """# Error codes

Every refusal ends with a stable code: on the wire in brackets behind the text, in the operator's log, in findings and
decision records. A code never changes its meaning; texts may. Nothing in a text is secret.

On the wire: `text that upstream sends in that place (what to do next) [CODE]`.

This page is made from the sources by `make docs`. Parts in `…` are filled in when it happens.

| code | says | what to do | raised in |
|---|---|---|---|
"""


@dataclass(slots=True)
class Entry:
    """One code with all that the sources say about it."""

    code: str
    says: list[str] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)
    modules: list[str] = field(default_factory=list)

    def add(self, says: str, advice: str, module: str) -> None:
        for text, texts in ((says, self.says), (advice, self.advice), (module, self.modules)):
            if text and text not in texts:
                texts.append(text)

    @property
    def row(self) -> str:
        cells = ("; ".join(self.says[:3]), "; ".join(self.advice[:2]), ", ".join(f"`{name}`" for name in self.modules))
        return f"| `{self.code}` | " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def entries() -> dict[str, Entry]:
    """All codes of the packages, sorted."""
    found: dict[str, Entry] = {}
    classes = _classes()
    for path in modules():
        module = import_name(path)
        for code, says, advice in _codes(tree(path), classes):
            found.setdefault(code, Entry(code)).add(says, advice, module)
    return dict(sorted(found.items()))


def _classes() -> dict[str, str]:
    """What each class says of itself: for calls whose message is not written where the code is."""
    nodes = (node for path in modules() for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef))
    return {node.name: _summary(node) for node in nodes}


def _summary(node: ast.ClassDef) -> str:
    return (ast.get_docstring(node) or "").split("\n\n", maxsplit=1)[0].replace("\n", " ")


def render() -> str:
    """The page as it should stand."""
    return _HEAD + "".join(f"{entry.row}\n" for entry in entries().values())


def _codes(module: ast.Module, classes: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    for node in ast.walk(module):
        if isinstance(node, ast.ClassDef):
            yield from _of_class(node)
        elif isinstance(node, ast.Call):
            yield from _of_call(node, classes)


def _of_class(node: ast.ClassDef) -> Iterator[tuple[str, str, str]]:
    for statement in node.body:
        target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
        if isinstance(target, ast.Name) and target.id == "default_code":
            value = getattr(statement, "value", None)
            yield from ((code, _summary(node), "") for code in _constants(value))


def _of_call(node: ast.Call, classes: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    keywords = {keyword.arg: keyword.value for keyword in node.keywords}
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name == "Check" and node.args:
        says = _text(node.args[1]) if len(node.args) > 1 else _text(keywords.get("what"))
        yield from ((code, says, "") for code in _constants(node.args[0]))
        return
    value = keywords.get("code")
    if name == "wire_text" and len(node.args) > 1:
        value = node.args[1]
    says = next(filter(None, map(_text, node.args)), classes.get(name, ""))
    advice = _text(keywords.get("advice") or (node.args[2] if name == "wire_text" and len(node.args) > 2 else None))
    yield from ((code, says, advice) for code in _constants(value))


def _constants(value: ast.expr | None) -> Iterator[str]:
    """Codes in an expression: a literal, either side of a conditional, or a pattern such as `TTRPC-<...>`."""
    match value:
        case ast.Constant(value=str(text)) if _CODE.fullmatch(text):
            yield text
        case ast.IfExp(body=body, orelse=orelse):
            yield from _constants(body)
            yield from _constants(orelse)
        case ast.BoolOp(values=values):
            for inner in values:
                yield from _constants(inner)
        case ast.JoinedStr(values=[ast.Constant(value=str(prefix)), *_]) if prefix.endswith("-"):
            yield f"{prefix}<KIND>"
        case _:
            return


def _text(value: ast.expr | None) -> str:
    """A message as its template: what is filled in becomes `…`."""
    match value:
        case ast.Constant(value=str(text)):
            return text.strip().replace("\n", " ")
        case ast.JoinedStr(values=parts):
            literals = (str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts)
            return "".join(literals).replace("\n", " ")
        case ast.IfExp(body=body, orelse=orelse):
            return " / ".join(filter(None, (_text(body), _text(orelse))))
        case _:
            return ""
