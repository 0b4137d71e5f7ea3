"""The `attestack` program: its verbs are found by entry point, and what goes wrong is one line and a status."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints
from typing import TYPE_CHECKING

import pytest
from attestack import main as program
from attestack._version import __version__
from attestack.main import GROUP, main
from attestack.verbs import Verb
from attestack_common.errors import AttestackError

if TYPE_CHECKING:
    import argparse


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("status", type=int)


def _run(args: argparse.Namespace) -> int:
    if args.status == 99:
        raise KeyboardInterrupt
    if args.status < 0:
        raise AttestackError("it broke", code="BROKE", advice="mend it")
    return int(args.status)


ECHO = Verb("echo", "return a status", _add, _run)
NOT_A_VERB = object()


@pytest.fixture(autouse=True)
def _verbs(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {
        "echo": f"{__name__}:ECHO",
        "absent": "no_such_package:VERB",
        "nameless": f"{__name__}:NO_SUCH_NAME",
        "wrong": f"{__name__}:NOT_A_VERB",
    }
    installed = EntryPoints(EntryPoint(name, value, GROUP) for name, value in entries.items())
    monkeypatch.setattr(program, "entry_points", lambda *, group: installed.select(group=group))


def test_help_lists_the_verbs_with_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert "  echo         return a status\n" in out
    assert "  absent       (not installed here)\n" in out


def test_no_arguments_print_the_help_and_fail(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert capsys.readouterr().err.startswith("usage: attestack <verb>")


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"attestack {__version__}\n"


@pytest.mark.parametrize("status", [0, 1, 7])
def test_a_verb_is_run_and_its_status_returned(status: int) -> None:
    assert main(["echo", str(status)]) == status


def test_a_verb_has_its_own_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["echo", "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("usage: attestack echo [-h] status\n\nreturn a status\n")


def test_an_unknown_verb_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["frobnicate"]) == 2
    assert capsys.readouterr().err == (
        "attestack: no such verb: 'frobnicate' (there are absent, echo, nameless, wrong) [VERB-UNKNOWN]\n"
    )


@pytest.mark.parametrize("name", ["absent", "nameless", "wrong"])
def test_a_verb_that_does_not_load_says_so_in_one_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name]) == 1
    error = capsys.readouterr().err
    assert error.endswith("[VERB-BROKEN]\n")
    assert error.count("\n") == 1


def test_an_error_is_one_line_with_its_code_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["echo", "--", "-1"]) == 1
    assert capsys.readouterr() == ("", "attestack: it broke (mend it) [BROKE]\n")


def test_an_interrupt_ends_quietly(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["echo", "99"]) == 130
    assert capsys.readouterr() == ("", "")


def test_arguments_come_from_the_process_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["attestack", "echo", "5"])
    assert main() == 5
