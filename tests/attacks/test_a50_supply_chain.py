"""A50: everything that is installed is pinned with hashes, and nothing else is installed."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import packages_distributions
from typing import Final

from tests.house.sources import ROOT, import_name, modules, packages, project, tree

REQUIREMENTS: Final = (ROOT / "requirements" / "all.txt").read_text()
PINNED: Final = re.compile(r"([\w.-]+)==([\w.+!-]+)(?: ; [^\\]+)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)")
COMMENT: Final = re.compile(r"^ *#.*\n", re.MULTILINE)


def pinned() -> dict[str, str]:
    return {match[1].lower().replace("_", "-"): match[2] for match in PINNED.finditer(COMMENT.sub("", REQUIREMENTS))}


def name_of(requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    assert found is not None
    return found[0].lower().replace("_", "-")


def test_a50_every_requirement_is_one_version_with_its_hashes() -> None:
    rest = PINNED.sub("", COMMENT.sub("", REQUIREMENTS))
    assert rest.strip() == ""
    assert len(pinned()) > 40


def test_a50_every_dependency_of_the_project_is_among_the_pinned() -> None:
    table = project()["project"]
    declared = [*table["dependencies"], *(one for group in table["optional-dependencies"].values() for one in group)]
    names = {name_of(one) for one in [*declared, *project()["build-system"]["requires"]]} - {"attestack"}
    assert names - set(pinned()) == set()


def imported(module: ast.Module) -> set[str]:
    """The top-level names that a module imports, where it stands first or inside functions."""
    names = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def test_a50_nothing_is_imported_that_is_not_declared() -> None:
    extras = project()["project"]["optional-dependencies"]
    declared = {name_of(one) for one in [*project()["project"]["dependencies"], *extras["guest"], *extras["host"]]}
    distributions = packages_distributions()
    foreign = {
        (import_name(path), name)
        for path in modules()
        for name in imported(tree(path)) - set(packages()) - set(sys.stdlib_module_names)
    }
    undeclared = {
        (module, name)
        for module, name in foreign
        if not {one.lower().replace("_", "-") for one in distributions.get(name, [])} & declared
    }
    assert undeclared == set()


def test_a50_pip_installs_with_hashes_or_without_dependencies() -> None:
    files = [ROOT / ".ci" / "run", ROOT / "Makefile", *sorted((ROOT / "mk").glob("*.mk"))]
    lines = [line for path in files for line in path.read_text().splitlines() if "pip install" in line]
    assert len(lines) == 2
    assert [line for line in lines if "--require-hashes" not in line and "--no-deps -e ." not in line] == []


def test_a50_the_policy_engine_is_pinned_exactly_in_the_project_itself() -> None:
    engines = [one for one in project()["project"]["optional-dependencies"]["host"] if "regorus" in one]
    assert engines == [f"gordon-to-regorus=={pinned()['gordon-to-regorus']}"]
