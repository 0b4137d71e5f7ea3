"""The rules of the house hold: layers, sizes, entry points, documents that agree with the sources."""

from __future__ import annotations

import ast
import configparser
import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from tests.house import attacks, configuration, errors_table, fragments
from tests.house.sources import (
    ROOT,
    committed_texts,
    entry_points,
    functions,
    import_name,
    modules,
    packages,
    project,
    tree,
)

MAX_LINES: Final = 400
MAX_FUNCTION_LINES: Final = 60

LONG_FILES: Final[dict[str, str]] = {}
"""Modules that may be longer, each with the reason."""
LONG_FUNCTIONS: Final[dict[str, str]] = {}
"""Functions that may be longer, as `package.module.function`, each with the reason."""

PROTOCOL: Final = {"attestation_protocol", "ttrpc_asyncio"}
SHARED: Final = PROTOCOL | {"attestack_common"}
MAY_IMPORT: Final[dict[str, set[str]]] = {
    "attestation_protocol": set(),
    "ttrpc_asyncio": set(),
    "attestack_common": set(),
    "key_broker_client": SHARED,
    "tee_attesters": SHARED | {"key_broker_client"},
    "attestation_agent": SHARED | {"key_broker_client", "tee_attesters"},
    "confidential_data_hub": SHARED | {"key_broker_client"},
    "guest_rest_api": SHARED,
    "trustee_core": SHARED,
    "reference_value_provider": SHARED | {"trustee_core"},
    "evidence_verifiers": SHARED,
    "attestation_service": SHARED | {"trustee_core", "reference_value_provider", "evidence_verifiers"},
    "key_broker_service": SHARED
    | {"trustee_core", "reference_value_provider", "evidence_verifiers", "attestation_service"},
    "tee_lab": SHARED,
}
"""Who may import whom; `attestack`, the program, may import everything. The table of docs/adr/3-0001."""

# Written apart, so that this file does not hold what it forbids.
FORBIDDEN_TEXTS: Final = [
    *(f"/{folder}/" for folder in ("work", "farm", "root")),
    *(f"{host}.org" for host in ("pythonhosted", "proxy.golang", "npmjs")),
    *(f"{host}/{path}" for host, path in (("pypi.org", "simple"), ("crates.io", "api"))),
    *(f"--{option}" for option in ("index-url http", "find-links", "trusted-host ")),
]


def targets() -> list[str]:
    groups = ["scripts", *project()["project"]["entry-points"]]
    return sorted({target for group in groups for target in entry_points(group).values()})


def is_current(page: Path, text: str) -> bool:
    """Whether a page that is made from the sources is as it should be; if not, `make docs` makes it so."""
    return page.read_text() == text


@pytest.mark.parametrize("package", sorted(MAY_IMPORT))
def test_the_import_contracts_say_what_the_table_says(package: str) -> None:
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    section = contracts[f"importlinter:contract:{package}"]
    forbidden = set(section["forbidden_modules"].split())
    assert section["type"] == "forbidden"
    assert forbidden == set(packages()) - MAY_IMPORT[package] - {package}


def test_every_package_is_under_contract() -> None:
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    assert set(contracts["importlinter"]["root_packages"].split()) == set(packages())
    assert set(MAY_IMPORT) == set(packages()) - {"attestack"}


def test_the_import_contracts_are_kept() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("package", sorted(packages()))
def test_every_package_is_typed_and_described(package: str) -> None:
    folder = packages()[package]
    assert (folder / "py.typed").is_file()
    assert importlib.import_module(package).__doc__


@pytest.mark.parametrize("target", targets())
def test_every_entry_point_loads(target: str) -> None:
    module, _, name = target.partition(":")
    value: Any = importlib.import_module(module)
    for part in name.split("."):
        value = getattr(value, part)
    assert value is not None


def test_files_are_short() -> None:
    lines = {import_name(path): len(path.read_text().splitlines()) for path in modules()}
    assert {name: count for name, count in lines.items() if count > MAX_LINES and name not in LONG_FILES} == {}
    assert {name for name in LONG_FILES if lines.get(name, 0) <= MAX_LINES} == set(), "no longer an exception"


def test_functions_are_short() -> None:
    lines = {f"{import_name(path)}.{one.name}": one.lines for path in modules() for one in functions(path)}
    long = {name: count for name, count in lines.items() if count > MAX_FUNCTION_LINES}
    assert {name: count for name, count in long.items() if name not in LONG_FUNCTIONS} == {}
    assert set(LONG_FUNCTIONS) <= set(long), "no longer an exception"


def test_modules_say_what_they_are() -> None:
    assert [import_name(path) for path in modules() if not ast.get_docstring(tree(path))] == []


def test_no_committed_file_names_a_machine_or_a_registry() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {text}"
        for path in committed_texts()
        for text in FORBIDDEN_TEXTS
        if text in path.read_text(errors="replace")
    ]
    assert found == []


def test_the_error_table_is_current() -> None:
    assert is_current(errors_table.TARGET, errors_table.render()), "run make docs"


def test_every_code_says_something() -> None:
    silent = {code for code, entry in errors_table.entries().items() if not entry.says}
    assert {code for code in silent if "<" not in code} == set(), "no message, and no class that describes itself"


def test_the_configuration_reference_is_current() -> None:
    assert is_current(configuration.TARGET, configuration.render()), "run make docs"


def test_the_changelog_is_current_and_every_line_of_it_a_change() -> None:
    assert is_current(fragments.CHANGELOG, fragments.changelog()), "run make docs"
    changes = sorted(fragments.CHANGES.glob("*.md"))
    assert changes
    for path in changes:
        for line in path.read_text().splitlines():
            assert re.match(r"- \S|  \S|$", line), f"{path.name}: {line}"


def test_the_differences_are_current() -> None:
    assert is_current(fragments.DIFFERENCES, fragments.differences()), "run make docs"


def test_every_difference_has_its_cells_and_tests_that_exist() -> None:
    sources = {path: path.read_text() for path in sorted((ROOT / "tests").rglob("*.py"))}
    names = set(re.findall(r"def (test_\w+)", "\n".join(sources.values())))
    modules_of_tests = {path.stem for path in sources}
    problems = []
    for area, rows in fragments.rows().items():
        for row in rows:
            if len(row.cells) != len(fragments.COLUMNS) or not all(row.cells):
                problems.append(f"{area}: {row.cells} has not {len(fragments.COLUMNS)} filled cells")
            elif not row.tests:
                problems.append(f"{area}: {row.cells[2]!r} names no test")
            for test in row.tests:
                exists = (ROOT / test).is_file() if test.startswith("tests/") else test in names | modules_of_tests
                if not exists:
                    problems.append(f"{area}: no such test: {test}")
    assert problems == []


def test_the_list_of_attacks_is_current_and_whole() -> None:
    assert is_current(attacks.TARGET, attacks.render()), "run make docs"
    assert tuple(attacks.rows()) == attacks.NUMBERS


def test_every_attack_is_tested_or_says_why_not() -> None:
    tried = attacks.tests()
    untested = {number: answer for number, (_, answer) in attacks.rows().items() if number not in tried}
    assert {number: answer for number, answer in untested.items() if not attacks.NOT_YET.search(answer)} == {}


def test_links_between_documents_lead_somewhere() -> None:
    documents = [path for path in committed_texts() if path.suffix == ".md"]
    assert [
        f"{path.relative_to(ROOT)}: {link}"
        for path in documents
        for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text())
        if "://" not in link and not (path.parent / link).exists()
    ] == []


def test_every_document_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    pages = [path.relative_to(ROOT / "docs") for path in sorted((ROOT / "docs").rglob("*.md"))]
    expected = [page for page in pages if page.parts[0] not in {"README.md", "differences.d", "security.d"}]
    assert [str(page) for page in expected if f"({page})" not in index] == []
