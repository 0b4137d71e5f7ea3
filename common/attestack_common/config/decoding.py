"""A document becomes nested `msgspec.Struct` types: lenient in scalars, strict in what it does not know.

A type says how its table is read by class attributes, all of them optional:

    __aliases__        {"old": "new"}: other spellings of keys; on an `enum.Enum`, other spellings of values
    __tags__           ("Old",): other spellings of the tag by which a union's member is chosen
    __refused__        {"auth_public_key": "use ..."}: keys that existed once, and what to write today
    __before_decode__  a static method that is given the table and returns the one to read

`pathlib.Path` and `Secret` are read from texts. No message shows a value: it may be a secret.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from msgspec import inspect as kinds

from attestack_common.config.documents import load_document
from attestack_common.config.scalars import to_bool, to_float, to_int, to_text
from attestack_common.config.unknown import UnknownKeys
from attestack_common.errors import ConfigError
from attestack_common.secret import Secret

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence

T = TypeVar("T")

_PLACE: Final = re.compile(r"(?P<text>.*) - at `(?:key in )?\$(?P<key>.*)`", re.DOTALL)
_MISSING: Final = re.compile(r"Object missing required field `(?P<key>.*)`")
_WORDS: Final = {
    "array": "a list",
    "bool": "true or false",
    "float": "a number",
    "int": "a whole number",
    "null": "nothing",
    "object": "a table",
    "str": "a text",
}
_SCALARS: Final[Mapping[type[kinds.Type], tuple[Callable[[object], object], type | tuple[type, ...], str]]] = {
    kinds.BoolType: (to_bool, bool, "true or false"),
    kinds.IntType: (to_int, int, "a whole number"),
    kinds.FloatType: (to_float, (int, float), "a number"),
    kinds.StrType: (to_text, str, "a text"),
}
_FOUND: Final[Mapping[type, str]] = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "a table",
}
_LISTS: Final = (kinds.ListType, kinds.SetType, kinds.FrozenSetType, kinds.VarTupleType)


def load(path: str | os.PathLike[str], kind: type[T], *, strict: bool = False, closed: Sequence[str] = ()) -> T:
    """Read a configuration file and decode it; see `load_document` and `decode`. Raises ConfigError."""
    return decode(load_document(path), kind, source=str(path), strict=strict, closed=closed)


def decode(
    document: Mapping[str, Any],
    kind: type[T],
    *,
    source: str,
    strict: bool = False,
    closed: Sequence[str] = (),
    prefix: str = "",
) -> T:
    """Decode a document into `kind`.

    Args:
        document: what `load_document` returns, or a table of it.
        kind: a `msgspec.Struct` type.
        source: the name of the file, for messages.
        strict: refuse unknown keys instead of naming them in one warning.
        closed: dotted keys below which unknown keys are refused in any case.
        prefix: the dotted key of `document` when it is a table of a larger one.

    Raises:
        ConfigError: the message names the file, the dotted key and what was wanted there.
    """
    unknown = UnknownKeys(source, strict=strict, closed=closed)
    shaped = _Shaper(source, unknown).shape(document, kinds.type_info(kind), prefix)
    unknown.report()
    try:
        return msgspec.convert(shaped, kind, dec_hook=_custom)
    except msgspec.ValidationError as error:
        raise _translated(str(error), source, prefix) from None


def _custom(kind: type, value: object) -> object:
    if kind is Secret and isinstance(value, str):
        return Secret(value.encode())
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise ValueError("wanted a text")


def _translated(text: str, source: str, prefix: str) -> ConfigError:
    placed = _PLACE.fullmatch(text)
    reason, below = (placed["text"], placed["key"]) if placed else (text, "")
    key = (prefix + below).removeprefix(".")
    missing = _MISSING.fullmatch(reason)
    if missing:
        key, reason = _dotted(key, missing["key"]), "is missing"
    for word, meaning in _WORDS.items():
        reason = reason.replace(f"`{word}`", meaning)
    reason = reason.replace("Expected", "wanted").replace(", got", ", found")
    return ConfigError(f"{source}: {key}: {reason}" if key else f"{source}: {reason}", code="CONFIG-VALUE")


def _dotted(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


class _Shaper:
    """Walks a document beside a type: renames, converts, collects what is unknown."""

    def __init__(self, source: str, unknown: UnknownKeys) -> None:
        self._source = source
        self._unknown = unknown

    def shape(self, value: Any, kind: kinds.Type, key: str) -> Any:  # noqa: ANN401  # any value of a document
        """Return the value as `msgspec` wants it for `kind`."""
        if isinstance(kind, kinds.UnionType):
            return self._union(value, kind, key)
        if isinstance(kind, kinds.StructType) and isinstance(value, dict):
            return self._struct(value, kind, key)
        if isinstance(kind, kinds.DictType) and isinstance(value, dict):
            return {name: self.shape(inner, kind.value_type, _dotted(key, name)) for name, inner in value.items()}
        if isinstance(kind, _LISTS) and isinstance(value, list):
            return [self.shape(inner, kind.item_type, f"{key}[{index}]") for index, inner in enumerate(value)]
        if isinstance(kind, kinds.EnumType):
            aliases = getattr(kind.cls, "__aliases__", {})
            return self._one_of(value, [member.value for member in kind.cls], aliases, key)
        if isinstance(kind, kinds.LiteralType):
            return self._one_of(value, kind.values, {}, key)
        if isinstance(kind, kinds.CustomType) and kind.cls in {Path, Secret}:
            return self._scalar(value, kinds.StrType(), key)
        return self._scalar(value, kind, key)

    def _scalar(self, value: Any, kind: kinds.Type, key: str) -> Any:  # noqa: ANN401  # any value of a document
        if type(kind) not in _SCALARS or value is None:
            return value
        convert, wanted, words = _SCALARS[type(kind)]
        converted = convert(value)
        if not isinstance(converted, wanted) or (isinstance(converted, bool) and wanted is not bool):
            raise self._refusal(key, f"wanted {words}, found {_FOUND[type(value)]}")
        return converted

    def _one_of(self, value: Any, wanted: Iterable[Any], aliases: Mapping[str, Any], key: str) -> Any:  # noqa: ANN401  # as above
        allowed = list(wanted)
        texts = any(isinstance(one, str) for one in allowed)
        converted = to_text(value) if texts else to_int(value)
        if isinstance(converted, (str, int)):
            converted = aliases.get(str(converted), converted)
            if converted in allowed:
                return converted
        raise self._refusal(key, f"wanted one of {', '.join(str(one) for one in allowed)}")

    def _union(self, value: Any, kind: kinds.UnionType, key: str) -> Any:  # noqa: ANN401  # as above
        if value is None:
            return None
        members = [member for member in kind.types if not isinstance(member, kinds.NoneType)]
        if len(members) == 1:
            return self.shape(value, members[0], key)
        structs = [member for member in members if isinstance(member, kinds.StructType)]
        if isinstance(value, dict) and structs:
            return self._tagged(value, structs, key)
        fitting = next((member for member in members if _fits(value, member)), None)
        return value if fitting is None else self.shape(value, fitting, key)

    def _tagged(self, table: dict[str, Any], structs: list[kinds.StructType], key: str) -> dict[str, Any]:
        if len(structs) == 1:
            return self._struct(table, structs[0], key)
        field = str(structs[0].tag_field)
        tag = table.get(field)
        for member in structs:
            if tag == member.tag or tag in getattr(member.cls, "__tags__", ()):
                return self._struct({**table, field: member.tag}, member, key)
        wanted = ", ".join(str(member.tag) for member in structs)
        raise self._refusal(
            _dotted(key, field), f"wanted one of {wanted}" + ("" if field in table else "; it is missing")
        )

    def _struct(self, table: dict[str, Any], kind: kinds.StructType, key: str) -> dict[str, Any]:
        before = getattr(kind.cls, "__before_decode__", None)
        if before is not None:
            table = before(dict(table))
        for name, advice in getattr(kind.cls, "__refused__", {}).items():
            if name in table:
                raise self._refusal(
                    _dotted(key, name), "is not a key any more", code="CONFIG-REFUSED-KEY", advice=advice
                )
        table = self._renamed(table, getattr(kind.cls, "__aliases__", {}), key)
        fields = {field.encode_name: field.type for field in kind.fields}
        shaped = {}
        for name, value in table.items():
            if name in fields:
                shaped[name] = self.shape(value, fields[name], _dotted(key, name))
            elif name == kind.tag_field:
                shaped[name] = value
            else:
                self._unknown.add(key, name, fields, closed=kind.forbid_unknown_fields)
        return shaped

    def _renamed(self, table: dict[str, Any], aliases: Mapping[str, str], key: str) -> dict[str, Any]:
        for old, new in aliases.items():
            if old in table and new in table:
                raise self._refusal(_dotted(key, old), f"stands beside {new}, which means the same")
        return {aliases.get(name, name): value for name, value in table.items()}

    def _refusal(self, key: str, reason: str, *, code: str = "CONFIG-VALUE", advice: str = "") -> ConfigError:
        return ConfigError(f"{self._source}: {key}: {reason}", code=code, advice=advice)


def _fits(value: object, kind: kinds.Type) -> bool:
    """Say whether a value is of this kind without any conversion."""
    if type(kind) in _SCALARS:
        wanted = _SCALARS[type(kind)][1]
        return isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))
    return (isinstance(value, dict) and isinstance(kind, kinds.DictType)) or (
        isinstance(value, list) and isinstance(kind, _LISTS)
    )
