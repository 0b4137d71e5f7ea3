"""The process: ending by signals and by errors, directories of sockets. Each `run` is a process of its own."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest
from attestack_common.errors import ConfigError
from attestack_common.process import ensure_runtime_dir

if TYPE_CHECKING:
    from pathlib import Path

PRELUDE = """
import asyncio, sys, os, time
from attestack_common import logs, process
from attestack_common.errors import ConfigError
logs.configure("info")
def ready():
    print("ready", flush=True)
"""


def start(code: str, *, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
    )


def finish(code: str) -> tuple[int, str, str]:
    process = start(code)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def send(process: subprocess.Popen[str], *signals: signal.Signals) -> tuple[int, str, str]:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    for number in signals[:-1]:
        process.send_signal(number)
        assert process.stdout.readline() == "cancelled\n"
    process.send_signal(signals[-1])
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.mark.parametrize(("value", "status"), [("None", 0), ("0", 0), ("3", 3)])
def test_the_status_is_what_main_returns(value: str, status: int) -> None:
    assert finish(f"async def main(): return {value}\nprocess.run(main)") == (status, "", "")


def test_one_of_our_errors_is_said_without_a_traceback() -> None:
    code = """
    async def main():
        raise ConfigError("kbs.toml: admin: is missing", advice="add [admin]")
    process.run(main)
    """
    assert finish(code) == (1, "", "kbs.toml: admin: is missing [CONFIG]\n  add [admin]\n")


def test_an_error_of_another_tree_with_a_code_is_said_alike() -> None:
    code = """
    class ForeignError(ValueError):
        code, advice = "JWE-OPEN", {advice!r}
    async def main():
        raise ForeignError("does not open [JWE-OPEN]")
    process.run(main)
    """
    assert finish(code.format(advice="attest again")) == (1, "", "does not open [JWE-OPEN]\n  attest again\n")
    assert finish(code.format(advice="")) == (1, "", "does not open [JWE-OPEN]\n")


def test_any_other_error_is_one_line_of_kind_and_place() -> None:
    status, out, err = finish("async def main(): return int('hunter2')\nprocess.run(main)")
    assert (status, out) == (1, "")
    assert err.count("\n") == 1
    assert 'ERROR process: ended by an unexpected error error="ValueError at ' in err
    assert "hunter2" not in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_lets_main_clean_up(number: signal.Signals) -> None:
    code = """
    async def main():
        try:
            ready()
            await asyncio.sleep(600)
        finally:
            print("cleaned", flush=True)
    process.run(main)
    """
    status, out, err = send(start(code), number)
    assert (status, out) == (0, "cleaned\n")
    assert f"INFO process: ending signal={number.name}" in err


STUBBORN = """
async def main():
    ready()
    while True:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            print("cancelled", flush=True)
process.GRACE_SECONDS = {grace}
process.run(main)
"""


def test_a_second_signal_ends_at_once() -> None:
    status, _, _ = send(start(STUBBORN.format(grace=600)), signal.SIGTERM, signal.SIGTERM)
    assert status == 1


def test_a_main_that_does_not_end_is_ended() -> None:
    status, out, _ = send(start(STUBBORN.format(grace=0.2)), signal.SIGTERM)
    assert (status, out) == (1, "cancelled\n")


def test_a_thread_that_does_not_end_does_not_hold_the_process() -> None:
    code = """
    async def main():
        ready()
        await asyncio.to_thread(time.sleep, 600)
    process.GRACE_SECONDS = 0.2
    process.run(main)
    """
    status, _, _ = send(start(code), signal.SIGTERM)
    assert status == 1


def test_a_cancellation_that_no_signal_asked_for_is_an_error() -> None:
    code = """
    async def main():
        asyncio.current_task().cancel()
        await asyncio.sleep(1)
    process.run(main)
    """
    status, _, err = finish(code)
    assert status == 1
    assert 'ended by an unexpected error error="CancelledError at ' in err


@pytest.mark.parametrize(("hidden", "module"), [("", "uvloop"), ("uvloop", "asyncio.unix_events")])
def test_uvloop_is_used_where_it_is_installed(hidden: str, module: str) -> None:
    code = f"""
    if {hidden!r}:
        sys.modules[{hidden!r}] = None
    async def main():
        print(type(asyncio.get_running_loop()).__module__)
    process.run(main)
    """
    assert finish(code) == (0, f"{module}\n", "")


def test_a_runtime_directory_is_made_private_with_its_parents(tmp_path: Path) -> None:
    made = ensure_runtime_dir(tmp_path / "a" / "b")
    assert made == tmp_path / "a" / "b"
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert ensure_runtime_dir(str(made)) == made


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
def test_a_directory_that_others_can_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(mode)
    with pytest.raises(ConfigError) as refused:
        ensure_runtime_dir(tmp_path / "run")
    assert refused.value.code == "RUNTIME-DIR"
    assert "others can write to it" in refused.value.message
    assert "chmod go-w" in refused.value.advice


def test_a_sticky_directory_is_taken(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp").chmod(0o1777)
    assert ensure_runtime_dir(tmp_path / "tmp") == tmp_path / "tmp"


def test_what_is_no_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigError, match=r"cannot be made: .* \[RUNTIME-DIR\]"):
            ensure_runtime_dir(path)
