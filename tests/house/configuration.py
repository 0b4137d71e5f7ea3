"""docs/configuration.md: every key of every configuration file, read from the types that the files are decoded into.

A key's description is the string behind it in its class. Where a table may have several forms, told apart by `type`,
each form is listed. Floors of verifiers come from the dataclasses that the verifiers name.
"""

from __future__ import annotations

import ast
import dataclasses
import enum
import importlib
import inspect
import re
import textwrap
import types
import typing
from typing import Any, Final

import msgspec

from tests.house.sources import ROOT, entry_points

TARGET: Final = ROOT / "docs" / "configuration.md"
FILES: Final = (
    ("kbs", "key_broker_service.config", "KbsConfig"),
    ("restful-as`, `grpc-as", "attestation_service.config", "StandaloneConfig"),
    ("rvps", "reference_value_provider.config", "RvpsConfig"),
    ("attestation-agent", "attestation_agent.config", "AgentConfig"),
    ("confidential-data-hub", "confidential_data_hub.config", "HubConfig"),
)
"""Program, module, and the type that its whole file is."""

_HEAD: Final = """# Configuration

Files are TOML, YAML or JSON, told apart by their extension. Keys are upstream's, where not said otherwise. A key that
is unknown is named in a warning; under `[admin]`, and with `--strict-config` everywhere, it stops the start. A known
key with a value that cannot be taken always stops the start, naming file and key.

`trustee run` without a file needs none of it. This page is made from the sources by `make docs`.
"""

_FLOORS: Final = """
## Floors of the verifiers

Tables below `verifier_config`, of `restful-as` at the top, of `kbs` in `[attestation_service]`. What breaks a floor is
refused whatever the policy says.

| key | default | meaning |
|---|---|---|
"""
_STORAGE: Final = """
## Storage backends

`storage_backend.storage_type` names one; its table is `storage_backend.backends.<name>`.

| name | keys (default) | what |
|---|---|---|
"""
SETTING_ARGUMENTS: Final = 2
"""Of `Settings.path`: key and default."""


def render() -> str:
    """The page as it should stand."""
    return _HEAD + "".join(_file(program, module, name) for program, module, name in FILES) + _floors() + _storage()


def _file(program: str, module: str, name: str) -> str:
    rows: list[str] = []
    _struct(getattr(importlib.import_module(module), name), "", rows)
    return f"\n## `{program}`\n\n| key | type | default | meaning |\n|---|---|---|---|\n{''.join(rows)}"


def _struct(struct: type[msgspec.Struct], prefix: str, rows: list[str]) -> None:
    notes = _descriptions(struct)
    for field in msgspec.structs.fields(struct):
        path = f"{prefix}{field.encode_name}"
        inner = _structs(field.type)
        if not inner:
            meaning = notes.get(field.name, "")
            rows.append(f"| `{path}` | {_type_name(field.type)} | {_default(field)} | {meaning} |\n")
            continue
        for form in inner:
            tag = form.__struct_config__.tag
            is_list = typing.get_origin(_without_none(field.type)) in {list, tuple}
            table = f"[[{path}]]" if is_list else f"[{path}]"
            choice = f' with `type = "{tag}"`' if tag else ""
            state = "required" if field.required else "optional"
            rows.append(f"| **`{table}`**{choice} | table | {state} | {_summary(form)} |\n")
            _struct(form, f"{path}.", rows)


def _floors() -> str:
    rows = []
    for target in sorted(entry_points("attestack.verifiers").values()):
        module, _, name = target.partition(":")
        verifier = getattr(importlib.import_module(module), name)
        notes = _descriptions(verifier.floors)
        for field in dataclasses.fields(verifier.floors):
            default = str(field.default).lower() if isinstance(field.default, bool) else repr(field.default)
            rows.append(f"| `{verifier.config_key}.{field.name}` | `{default}` | {notes.get(field.name, '')} |\n")
    return _FLOORS + "".join(rows)


def _storage() -> str:
    rows = []
    for name, target in sorted(entry_points("attestack.storage").items()):
        module = importlib.import_module(target.partition(":")[0])
        summary = " ".join((module.__doc__ or "").split("\n\n", maxsplit=1)[0].split())
        calls = [node for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.Call)]
        settings = [
            call.args
            for call in calls
            if isinstance(call.func, ast.Attribute) and call.func.attr == "path" and len(call.args) == SETTING_ARGUMENTS
        ]
        keys = [f"`{ast.literal_eval(key)}` (`{_value(default, module)}`)" for key, default in settings]
        rows.append(f"| `{name}` | {', '.join(keys) or 'none'} | {summary} |\n")
    return _STORAGE + "".join(rows)


def _value(node: ast.expr, module: types.ModuleType) -> Any:
    """A literal, or the constant of the module that it names."""
    return getattr(module, node.id) if isinstance(node, ast.Name) else ast.literal_eval(node)


def _structs(annotation: Any) -> list[type[msgspec.Struct]]:
    """The table types that an annotation holds."""
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return [annotation]
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Annotated:
        arguments = arguments[:1]
    return [struct for argument in arguments for struct in _structs(argument)]


def _without_none(annotation: Any) -> Any:
    rest = [argument for argument in typing.get_args(annotation) if argument is not types.NoneType]
    return rest[0] if _is_union(annotation) and len(rest) == 1 else annotation


def _is_union(annotation: Any) -> bool:
    return isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union


def _type_name(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _type_name(arguments[0]) + _bounds(arguments[1:])
    if _is_union(annotation):
        return " or ".join(_type_name(one) for one in arguments if one is not types.NoneType)
    if origin in {list, tuple}:
        return f"list of {_type_name(arguments[0])}"
    if origin is dict or annotation is Any:
        return "table" if origin is dict else "any"
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return " or ".join(f"`{one.value}`" for one in annotation)
    names = {"str": "string", "bool": "boolean", "int": "integer", "float": "number", "Secret": "secret string"}
    name = getattr(annotation, "__name__", str(annotation))
    return names.get(name, name.lower())


def _bounds(metadata: tuple[Any, ...]) -> str:
    limits = [(meta.ge, meta.le) for meta in metadata if isinstance(meta, msgspec.Meta)]
    texts = [f", {low} or more" if high is None else f", {low} to {high}" for low, high in limits if low is not None]
    return "".join(texts)


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if value is None or value in ({}, [], ()):
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value.value if isinstance(value, enum.Enum) else value!r}`".replace("'", '"')


def _descriptions(struct: type) -> dict[str, str]:
    """The strings behind the fields of a class and of those that it extends."""
    notes: dict[str, str] = {}
    for one in reversed(struct.__mro__):
        if one.__module__.startswith(("msgspec", "builtins")):
            continue
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(one))).body
        assert isinstance(definition, ast.ClassDef)
        for field, note in zip(definition.body, definition.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and _is_text(note):
                notes[field.target.id] = " ".join(ast.literal_eval(note.value).split())
    return notes


def _is_text(node: ast.stmt) -> typing.TypeGuard[ast.Expr]:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _summary(struct: type) -> str:
    text = " ".join((inspect.getdoc(struct) or "").split("\n\n", maxsplit=1)[0].split())
    rest = re.sub(r"^`\[+[^`]*`(: ?|\.$)", "", text).replace("|", r"\|")
    return rest[:1].upper() + rest[1:]
