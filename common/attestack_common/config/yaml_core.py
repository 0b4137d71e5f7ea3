"""YAML for configuration: safe types by the core schema of YAML 1.2 (section 10.3.2), no aliases, no key twice."""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

_RESOLVERS: Final = (
    ("tag:yaml.org,2002:null", r"(?:null|Null|NULL|~|)", ("n", "N", "~", "")),
    ("tag:yaml.org,2002:bool", r"(?:true|True|TRUE|false|False|FALSE)", "tTfF"),
    ("tag:yaml.org,2002:int", r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)", "-+0123456789"),
    (
        "tag:yaml.org,2002:float",
        r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))",
        "-+.0123456789",
    ),
)


class CoreLoader(yaml.SafeLoader):
    """Loads one document."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  # instead of the base's

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose a node; an alias is refused, since a few of them make a document of any size."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # the stubs leave it out
            raise yaml.MarkedYAMLError(problem="aliases are not allowed", problem_mark=mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002  # the base's
        """Construct a table; a key that stands twice is refused."""
        table = super().construct_mapping(node, deep=deep)
        if len(table) != len(node.value):
            raise yaml.MarkedYAMLError(problem="a key stands twice in a table", problem_mark=node.start_mark)
        return table

    def construct_core_integer(self, node: yaml.ScalarNode) -> int:
        """Construct an integer; 010 is ten."""
        text = str(self.construct_scalar(node))
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))


for _tag, _pattern, _first in _RESOLVERS:
    CoreLoader.add_implicit_resolver(_tag, re.compile(f"{_pattern}$", re.ASCII), list(_first))
CoreLoader.add_constructor("tag:yaml.org,2002:int", CoreLoader.construct_core_integer)
