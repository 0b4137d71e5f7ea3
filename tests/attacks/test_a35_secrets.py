"""A35: secrets in logs, error texts, core dumps, memory of other processes, files of other users."""

from __future__ import annotations

import logging
import os
import signal
import stat
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from attestack_common.config import decode
from attestack_common.errors import AttestackError, ConfigError
from attestack_common.files import write_private
from attestack_common.http_server import Request
from attestack_common.logs.lines import FIELDS, JsonFormatter, TextFormatter
from attestack_common.secret import Secret

if TYPE_CHECKING:
    from pathlib import Path

SECRET = Secret(b"hunter2")
PR_GET_DUMPABLE = 3


def lines(message: str, **fields: Any) -> list[str]:
    record = logging.LogRecord("kbs", logging.INFO, "", 0, message, (), None)
    setattr(record, FIELDS, fields)
    return [TextFormatter().format(record), JsonFormatter().format(record)]


@pytest.mark.parametrize(
    "value", [SECRET, [SECRET], {"key": SECRET}, (SECRET, {"a": [SECRET]})], ids=["alone", "list", "table", "nested"]
)
def test_a35_a_secret_in_a_log_field_is_not_shown(value: Any) -> None:
    for line in lines("opened", value=value):
        assert "hunter2" not in line
        assert "Secret(...)" in line


def test_a35_a_secret_in_an_errors_message_is_not_shown() -> None:
    error = AttestackError(f"the key {SECRET} does not open", code="KEY-OPEN")
    assert str(error) == "the key Secret(...) does not open [KEY-OPEN]"
    assert "hunter2" not in repr(error) + error.diagnostics()


def test_a35_the_text_of_a_foreign_exception_is_not_logged() -> None:
    sessions: dict[str, int] = {}
    with pytest.raises(KeyError) as raised:
        sessions["hunter2"] += 1
    for line in lines("failed", error=raised.value):
        assert "KeyError at attacks/test_a35_secrets.py:" in line
        assert "hunter2" not in line


@pytest.mark.parametrize(
    "forged", ["a\n2026-11-25T15:00:00.000Z INFO kbs: forged", "a\r\x1b[2Kforged", "a\u2028forged"]
)
def test_a35_no_value_begins_a_line_of_its_own(forged: str) -> None:
    for line in [*lines(forged, value=forged), *lines("m", **{forged: 1})]:
        assert line.isprintable()


def test_a35_a_request_does_not_show_its_credentials() -> None:
    request = Request("GET", b"/p?t=hunter2", body=b"hunter2", raw_headers=[(b"authorization", b"Bearer hunter2")])
    for line in lines("m", request=request):
        assert "hunter2" not in line


class Vault(msgspec.Struct):
    """A plugin's table with a token."""

    token: Secret
    port: int = 0


def test_a35_a_configuration_holds_its_secrets_closed() -> None:
    vault = decode({"token": "hunter2"}, Vault, source="kbs.toml")
    assert vault.token.reveal() == b"hunter2"
    assert repr(vault) == "Vault(token=Secret(...), port=0)"
    with pytest.raises(TypeError):
        msgspec.json.encode(vault)


@pytest.mark.parametrize(
    "document", [{"token": ["hunter2"]}, {"token": "x", "port": "hunter2"}, {"token": "x", "port": {"hunter2": 1}}]
)
def test_a35_a_refused_configuration_does_not_quote_its_values(document: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as refused:
        decode(document, Vault, source="kbs.toml")
    assert refused.value.code == "CONFIG-VALUE"
    assert "hunter2" not in refused.value.diagnostics()


def hardened(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run code behind `harden()`, in a process that could dump core before."""
    prelude = """
    import os, resource, sys
    from attestack_common.process import harden
    resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
    os.umask(0)
    harden()
    """
    program = textwrap.dedent(prelude) + textwrap.dedent(code)
    return subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )


def test_a35_no_core_is_dumped(tmp_path: Path) -> None:
    done = hardened("print(resource.getrlimit(resource.RLIMIT_CORE), flush=True); os.abort()", tmp_path)
    assert done.returncode == -signal.SIGABRT
    assert done.stdout == "(0, 0)\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_a35_the_process_is_not_dumpable(tmp_path: Path) -> None:
    code = f"import ctypes; print(ctypes.CDLL(None).prctl({PR_GET_DUMPABLE}, 0, 0, 0, 0))"
    open_process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert open_process.stdout == "1\n"
    assert hardened(code, tmp_path).stdout == "0\n"


@pytest.mark.parametrize("missing", ["None", "type('', (), {'CDLL': lambda *_: object()})"])
def test_a35_hardening_goes_on_without_prctl(missing: str, tmp_path: Path) -> None:
    code = f"sys.modules['ctypes'] = {missing}; os.umask(0); harden(); print(oct(os.umask(0)))"
    assert hardened(code, tmp_path).stdout == "0o77\n"


def test_a35_files_of_a_hardened_process_belong_to_their_owner_alone(tmp_path: Path) -> None:
    done = hardened("open('made', 'w').close(); os.mkdir('folder')", tmp_path)
    assert done.returncode == 0
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o700


def test_a35_a_private_file_is_private_in_an_open_process_too(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_private(tmp_path / "key", SECRET.reveal())
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_a35_a_failing_service_says_no_secret_on_the_wire_or_in_its_log(tmp_path: Path) -> None:
    program = """
    import asyncio
    from attestack_common import logs, process
    from attestack_common.http_server import Request, Response, Server

    async def handler(request: Request) -> Response:
        raise ValueError(request.body.decode() + request.header("authorization"))

    async def main():
        async with Server(handler, sockets=["127.0.0.1:0"]) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(server.addresses[0].split(":")[1]))
            writer.write(b"POST /p?t=hunter2 HTTP/1.1\\r\\nauthorization: hunter2\\r\\ncontent-length: 7\\r\\n"
                         b"connection: close\\r\\n\\r\\nhunter2")
            print((await reader.read()).decode())
            writer.close()

    logs.configure("debug")
    process.run(main)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.startswith("HTTP/1.1 500 Internal Server Error\n")
    assert 'a handler failed error="ValueError at ' in done.stderr
    assert "hunter2" not in done.stdout + done.stderr
